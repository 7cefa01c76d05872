"""Two operators at once, an operator against a worker, an operator against a consumer: the rows' locks decide."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Barrier, Event
from time import monotonic, sleep
from typing import TypeVar

import pytest
from django.db import connection, transaction
from psycopg import errors
from pytest_django import Settings
from redis import Redis

from processing.domain.failures import Cause
from processing.domain.messages import Arrival, Message, Poison, poison_id, read_message
from processing.domain.statuses import Status
from processing.engine import release
from processing.engine.after_commit import after_commit
from processing.engine.process_batch import process_batch
from processing.models import DeadLetter, InboxEvent, Lane, OperatorAction
from processing.operators import actions, redecode
from processing.postgres.dead_letters import (
    LockedDeadLetter,
    lock_dead_letters,
)
from processing.postgres.transaction import Cursor
from processing.postgres.transaction import transaction as processing_transaction
from tests.support.factories import (
    DeadLetterFactory,
    InboxEventFactory,
    LaneFactory,
    envelope,
)
from tests.support.locks import how_many_wait_for_a_lock
from tests.support.replays import replay

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]

T = TypeVar("T")
PATIENCE_S = 20
IDS = [f"e-{n:02}" for n in range(40)]


def at_once(*works: Callable[[], T]) -> list[T]:
    """Do these in threads, each with its own connection, from the same moment on."""
    start = Barrier(len(works))

    def run(work: Callable[[], T]) -> T:
        try:
            start.wait(PATIENCE_S)
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result() for future in [pool.submit(run, work) for work in works]]


def in_thread(work: Callable[[], T]) -> tuple[ThreadPoolExecutor, Future[T]]:
    def run() -> T:
        try:
            return work()
        finally:
            connection.close()

    pool = ThreadPoolExecutor(1)
    return pool, pool.submit(run)


def wait_until_someone_waits_for_a_lock(how_many: int = 1) -> None:
    until = monotonic() + PATIENCE_S
    while monotonic() < until:
        if how_many_wait_for_a_lock() >= how_many:
            return
        sleep(0.01)
    raise AssertionError("nobody waited for a lock")


def bury(ids: list[str]) -> None:
    for id in ids:
        DeadLetterFactory.create(event__id=id)


def test_two_operators_who_replay_the_same_letters_do_each_once() -> None:
    bury(IDS)
    ada, bob = at_once(
        lambda: replay(ids=IDS, actor="ada"),
        lambda: replay(ids=IDS[::-1], actor="bob"),
    )
    assert sorted([*ada.done, *bob.done]) == IDS
    assert sorted([*ada.refused, *bob.refused]) == IDS
    assert set(InboxEvent.objects.values_list("version", flat=True)) == {2}
    assert OperatorAction.objects.count() == 2, "a record for each run"


def test_a_letter_is_either_replayed_or_discarded() -> None:
    bury(IDS)
    replayed, discarded = at_once(
        lambda: replay(ids=IDS, actor="ada"),
        lambda: actions.discard(ids=IDS[::-1], actor="bob"),
    )
    assert sorted([*replayed.done, *discarded.done]) == IDS
    retrying = set(InboxEvent.objects.filter(status=Status.RETRYING).values_list("id", flat=True))
    assert retrying == set(replayed.done)
    assert set(DeadLetter.objects.exclude(discarded_at=None).values_list("pk", flat=True)) == set(discarded.done)


def test_who_waits_for_another_operator_sees_what_that_one_did() -> None:
    bury(["e-1"])
    with processing_transaction() as cursor:
        lock_dead_letters(cursor, ["e-1"])  # the event, then its letter, as every operator does: else both would wait
        pool, waiting = in_thread(lambda: replay(ids=["e-1"], actor="bob"))
        wait_until_someone_waits_for_a_lock()
        DeadLetter.objects.all().delete()
        InboxEvent.objects.update(status=Status.RETRYING)
    with pool:
        assert waiting.result(PATIENCE_S).refused == {"e-1": "is no dead letter: it is retrying"}


def test_a_deadlock_is_nobodys_failure_and_the_transaction_runs_again(monkeypatch: pytest.MonkeyPatch) -> None:
    bury(["e-1"])
    lock, deadlocks = lock_dead_letters, ["the first time"]

    def unlucky(cursor: Cursor, ids: list[str]) -> dict[str, LockedDeadLetter]:
        if deadlocks:
            deadlocks.pop()
            raise errors.DeadlockDetected("deadlock detected")
        return lock(cursor, ids)

    monkeypatch.setattr(actions, "lock_dead_letters", unlucky)
    assert actions.discard(ids=["e-1"], actor="ada").done == {"e-1": "discarded"}
    assert OperatorAction.objects.count() == 1


def test_two_operators_who_replay_the_same_poison_make_one_event_of_it() -> None:
    ids = [bury_poison(envelope(f"e-{n}", seq=n), n) for n in range(1, 21)]
    ada, bob = at_once(
        lambda: replay(ids=ids, actor="ada"),
        lambda: replay(ids=ids[::-1], actor="bob"),
    )
    assert sorted([*ada.done, *bob.done]) == sorted(ids)
    assert list(InboxEvent.objects.order_by("seq").values_list("seq", flat=True)) == list(range(1, 21))
    assert set(InboxEvent.objects.values_list("status", flat=True)) == {Status.HELD}


def test_a_poison_that_is_discarded_meanwhile_leaves_no_row_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    id = bury_poison(envelope("e-1", seq=1), 1)
    read, paused, go = redecode.read, Event(), Event()

    def slow(poisons: list[str]) -> redecode.Readings:
        readings = read(poisons)
        paused.set()
        assert go.wait(PATIENCE_S)
        return readings

    monkeypatch.setattr(redecode, "read", slow)
    pool, waiting = in_thread(lambda: replay(ids=[id], actor="bob"))
    assert paused.wait(PATIENCE_S)
    assert actions.discard(ids=[id], actor="ada").done
    go.set()
    with pool:
        assert waiting.result(PATIENCE_S).done == {}
    assert list(InboxEvent.objects.values_list("id", flat=True)) == [id]


def test_a_retry_that_a_worker_is_making_is_waited_for_and_then_refused() -> None:
    InboxEventFactory.create(id="e-1", retrying=True)
    with transaction.atomic():
        InboxEvent.objects.filter(pk="e-1").update(status=Status.PROCESSED)
        pool, waiting = in_thread(lambda: actions.retry_now(ids=["e-1"], actor="ada"))
        wait_until_someone_waits_for_a_lock()
    with pool:
        assert waiting.result(PATIENCE_S).refused == {"e-1": "is not retrying: it is processed"}


def test_workers_and_operators_at_once_count_every_try_once(settings: Settings) -> None:
    settings.FAULT_INJECTION = True
    settings.RETRY_MAX_RETRIES = 2
    settings.RETRY_BACKOFF_MS = 0
    ids = [f"e-{n:02}" for n in range(20)]
    for id in ids:
        InboxEventFactory.create(id=id, retrying=True, attempts=1, attempt_limit=3, payload='{"fail":true}')
    at_once(
        *(lambda: _try_until_failed(ids) for _ in range(2)),
        lambda: actions.retry_now(ids=ids, actor="ada"),
        lambda: actions.retry_now(ids=ids[::-1], actor="bob"),
    )
    assert set(InboxEvent.objects.values_list("status", "attempts")) == {(Status.FAILED, 3)}
    assert DeadLetter.objects.count() == len(ids)


def test_a_seq_that_a_consumer_and_a_replayed_poison_bring_at_once_has_one_owner() -> None:
    """Whoever has the lane first owns the seq; the other is skipped."""
    poisons = [bury_poison(envelope(f"poison-{n}", seq=n), n) for n in range(1, 11)]
    arrivals = [_arrival(envelope(f"event-{n}", seq=n), 100 + n) for n in range(1, 11)]
    at_once(
        lambda: after_commit(process_batch(arrivals, [])),
        lambda: len(replay(ids=poisons, actor="ada").done),
    )
    release.release_all(["u-1"])
    assert InboxEvent.objects.count() == 20
    for seq in range(1, 11):
        statuses = InboxEvent.objects.filter(seq=seq).values_list("status", flat=True)
        assert sorted(statuses) == [Status.PROCESSED, Status.SKIPPED]
    assert Lane.objects.get().next_seq == 11


def test_a_replay_waits_for_the_lane_that_another_moves(redis: Redis) -> None:
    LaneFactory.create(next_seq=1)
    id = bury_poison(envelope("e-1", seq=1), 1)
    with transaction.atomic():
        Lane.objects.select_for_update().get()
        pool, waiting = in_thread(lambda: replay(ids=[id], actor="ada"))
        wait_until_someone_waits_for_a_lock()
        Lane.objects.update(next_seq=2)
    with pool:
        assert waiting.result(PATIENCE_S).done == {id: "became 'e-1': retrying"}, "its lane has passed it"


def _try_until_failed(ids: list[str]) -> int:
    while InboxEvent.objects.filter(status=Status.RETRYING).exists():
        release.run_due(ids)
    return 0


def bury_poison(value: bytes, offset: int) -> str:
    message = Message("events", 0, offset, b"key", value)
    process_batch([], [Poison(poison_id(message), message, "the message could not be read", Cause("no JSON", ""))])
    DeadLetter.objects.update(published_at=DeadLetter.objects.latest("queued_at").queued_at)
    return poison_id(message)


def _arrival(value: bytes, offset: int) -> Arrival:
    outcome = read_message(Message("events", 0, offset, b"key", value))
    assert isinstance(outcome, Arrival)
    return outcome
