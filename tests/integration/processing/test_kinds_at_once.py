"""Drainers and batches at once: no kind is opened too early, and each is drained by one process at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from django.db import connection
from django.db.transaction import atomic
from pytest_django.fixtures import Settings
from redis import Redis

from processing.background import sweeper
from processing.background.kinds import tend_kinds
from processing.engine import enqueue, set_aside
from processing.engine.process_batch import process_batch
from processing.models import Lane
from processing.postgres import kinds
from processing.postgres.transaction import transaction
from tests.support import flaky
from tests.support.batches import applied, batch_of, column, statuses, store, value
from tests.support.kinds import TYPE, drain_all, pause, resume, states, took_effect
from tests.support.locks import somebody_waits_for_a_lock

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("hints_off", "fresh")]


@pytest.fixture
def fresh(redis: Redis, settings: Settings) -> None:
    flaky.runs.clear()
    settings.RETRY_BACKOFF_MS = 0


def test_a_kind_is_not_opened_under_a_batch_that_saw_it_paused() -> None:
    """The batch stores an event behind the last one that was drained; the kind must not be open when it commits."""
    pause()
    resume()
    stored, go_on = threading.Event(), threading.Event()

    def store_slowly() -> None:
        try:
            with transaction():
                process_batch(batch_of(value("slow")).arrivals, [])
                stored.set()
                go_on.wait(30)
        finally:
            connection.close()

    thread = threading.Thread(target=store_slowly)
    thread.start()
    assert stored.wait(30)
    assert not kinds.open_drained(TYPE)
    assert [row.due for row in kinds.find_kinds()] == [False], "no process makes batches wait for it again at once"
    go_on.set()
    thread.join()
    column("UPDATE processing_kind SET next_probe_at = NULL RETURNING name")
    assert not kinds.open_drained(TYPE)
    drain_all()
    assert took_effect() == ["slow"]


def test_one_process_at_a_time_drains_a_kind() -> None:
    pause()
    store(value("1"), value("2"))
    resume()
    draining, go_on = threading.Event(), threading.Event()

    def drain_slowly() -> None:
        try:
            with transaction():
                set_aside.drain(TYPE, 1)
                draining.set()
                go_on.wait(30)
        finally:
            connection.close()

    thread = threading.Thread(target=drain_slowly)
    thread.start()
    assert draining.wait(30)
    assert set_aside.drain(TYPE, 5) is None
    store(value("other", type="x"))
    go_on.set()
    thread.join()
    drain_all()
    assert took_effect() == ["other", "1", "2"] or took_effect() == ["1", "other", "2"]


def test_two_drainers_and_a_consumer_at_once_keep_the_order_and_apply_once() -> None:
    pause()
    for start in range(0, 1000, 100):
        store(*(value(f"{n:05}", f"u{n % 5}") for n in range(start, start + 100)))
    resume()

    def tend() -> None:
        try:
            while states() != {}:
                tend_kinds()
        finally:
            connection.close()

    threads = [threading.Thread(target=tend) for _ in range(2)]
    for thread in threads:
        thread.start()
    later = 1000
    for start in range(1000, 1300, 20):
        store(*(value(f"{n:05}", f"u{n % 5}") for n in range(start, start + 20)))
        later = start + 20
    for thread in threads:
        thread.join()
    assert took_effect() == [f"{n:05}" for n in range(later)]
    assert set(statuses().values()) == {("processed", 1)}


def test_what_is_left_of_a_lane_by_a_drainer_that_died_is_rescued() -> None:
    pause()
    store(value("a", seq=1), value("b", seq=2))
    resume()
    column("UPDATE processing_inboxevent SET waits_for = NULL, arrival = NULL WHERE id = 'a' RETURNING id")
    column(
        "UPDATE processing_lane SET waits_for = 'turn', waiting_since = now() - interval '1 minute' RETURNING user_id"
    )
    sweeper.rescue_lanes()
    assert applied() == [1]
    drain_all()
    assert applied() == [1, 2]


def test_a_lane_whose_drainer_was_killed_between_two_of_its_turns_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enqueue, "enqueue_now", lambda ids: None)
    pause()
    store(*(value(f"{n}", f"u{n}", seq=1) for n in range(500)), *(value(f"long {n}", seq=n + 1) for n in range(10)))
    resume()
    step = set_aside.drain(TYPE, 1000)
    assert step is not None
    assert 0 < len(step.left) < 10, "each lane has its share of a step"
    assert Lane.objects.get(user_id="u").waits_for == Lane.WaitsFor.TURN
    column("UPDATE processing_lane SET waiting_since = now() - interval '1 minute' WHERE user_id = 'u' RETURNING 1")
    sweeper.rescue_lanes()
    assert applied() == list(range(1, 11))


def test_an_event_whose_row_somebody_has_locked_goes_on_waiting_for_its_kind() -> None:
    pause()
    store(value("a"), value("b"))
    resume()
    drainer = threading.Thread(target=drain_beside)
    with atomic():
        column("SELECT id FROM processing_inboxevent WHERE id = 'a' FOR UPDATE")
        drainer.start()
        while drainer.is_alive() and not somebody_waits_for_a_lock():
            pass
    drainer.join()
    assert took_effect() == ["b"]
    drain_all()
    assert took_effect() == ["b", "a"]


def drain_beside() -> None:
    try:
        set_aside.drain(TYPE, 100)
    finally:
        connection.close()


@pytest.fixture(autouse=True)
def _no_kind_is_left() -> Iterator[None]:
    yield
    column("DELETE FROM processing_kind RETURNING name")
