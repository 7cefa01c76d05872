"""`inflight:` marks: there from a failed try until the event is final, and while a batch takes long."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from pytest_django.fixtures import Settings
from redis import Redis

from processing.background import sweeper
from processing.domain.outcomes import BatchResult, HotStateUpdate
from processing.engine import release, stages
from processing.engine.after_commit import after_commit
from processing.engine.in_flight import BatchMarks
from processing.engine.process_batch import process_batch
from processing.engine.stages import Stages
from processing.hot_state import write
from processing.hot_state.write import mark_in_flight, write_hot_state
from processing.postgres.hot_rows import HotRow, hot_rows
from tests.support import flaky
from tests.support.batches import batch_of, column, retry_all, statuses, store, value
from tests.support.dead import text
from tests.support.replays import replay
from tests.support.stages import WAIT_S, nothing

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("hints_off")]


@pytest.fixture(autouse=True)
def fresh_runs(redis: Redis, settings: Settings) -> None:
    flaky.runs.clear()
    settings.RETRY_BACKOFF_MS = 0


def marks(redis: Redis) -> set[str]:
    return {text(key).removeprefix("inflight:") for key in redis.keys("inflight:*")}


def test_an_event_is_marked_from_a_failed_try_until_it_is_final(redis: Redis) -> None:
    store(value("a", fails=2), value("b", fails=1, seq=1), value("behind", seq=2), value("fine"))
    assert marks(redis) == {"a", "b"}
    assert 0 < redis.ttl("inflight:a") <= write.INFLIGHT_TTL_S
    retry_all()
    assert statuses()["b"] == ("processed", 2)
    assert marks(redis) == {"a"}
    retry_all()
    assert statuses()["a"] == ("processed", 3)
    assert marks(redis) == set()


def test_one_that_fails_for_good_keeps_no_mark_until_it_is_replayed(
    redis: Redis, settings: Settings, published: None
) -> None:
    settings.RETRY_MAX_RETRIES = 1
    store(value("a", fails=2))
    assert marks(redis) == {"a"}
    retry_all()
    assert statuses()["a"] == ("failed", 2)
    assert marks(redis) == set()
    replay(ids=["a"], actor="tester")
    assert marks(redis) == {"a"}
    release.run_due(["a"])
    assert statuses()["a"] == ("processed", 3)
    assert marks(redis) == set()


@pytest.mark.parametrize("keys", ["*", "event:*", "nothing"])
def test_a_mark_that_is_set_when_another_has_made_the_event_final_does_not_stay(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, keys: str
) -> None:
    store(value("a", fails=1))

    def overtaken(ids: list[str]) -> list[HotRow]:
        monkeypatch.setattr(write, "hot_rows", hot_rows)
        rows = hot_rows(ids)
        assert retry_all() == 1
        for key in redis.keys(keys):
            redis.delete(key)
        return rows

    monkeypatch.setattr(write, "hot_rows", overtaken)
    assert sweeper.renew_marks() == 1
    assert statuses()["a"] == ("processed", 2)
    assert marks(redis) == set()


def test_the_sweep_renews_the_marks_of_all_that_is_retrying_and_of_nothing_else(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "ROWS", 2)
    store(*(value(f"a{n}", fails=1) for n in range(5)), value("done"), value("held", seq=2))
    column("UPDATE processing_inboxevent SET waits_for = 'flaky' WHERE id = 'a0' RETURNING id")
    redis.flushdb()
    assert sweeper.renew_marks() == 5
    assert marks(redis) == {f"a{n}" for n in range(5)}
    redis.expire("inflight:a1", 1)
    sweeper.renew_marks()
    assert redis.ttl("inflight:a1") > 1


def test_a_batch_that_comes_again_leaves_the_marks_of_what_is_retrying(redis: Redis) -> None:
    values = [value("done"), value("failing", fails=1), value("refused"), value("held", seq=2)]
    store(*values[:2])
    redis.hset("event:refused", mapping={"status": "invalid", "attempts": 0, "error": "payload: no"})
    batch, slow = batch_of(*values), BatchMarks()
    slow.set(batch.ids())
    assert marks(redis) == {"failing", "refused", "held"}, "what is final is not marked"
    write_hot_state(slow.taken_back_by(process_batch(batch.arrivals, batch.poisons)).hot_state)
    assert marks(redis) == {"failing"}


def test_the_write_of_a_long_batch_leaves_the_mark_of_what_has_failed_meanwhile(
    redis: Redis, settings: Settings
) -> None:
    settings.RETRY_BACKOFF_MS = 60_000
    batch, slow = batch_of(value("a", seq=2, fails=1)), BatchMarks()
    slow.set(batch.ids())
    result = process_batch(batch.arrivals, [])  # held
    store(value("first", seq=1))
    assert statuses()["a"] == ("retrying", 1)
    write_hot_state(slow.taken_back_by(result).hot_state)
    assert marks(redis) == {"a"}


def test_another_process_that_makes_an_event_final_takes_its_mark_back(redis: Redis) -> None:
    mark_in_flight(["a"])
    store(value("a"))
    assert marks(redis) == set()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes, threading.Event], Stages[bytes]]]:
    """Stages that commit one event, once it may, and write its hot state."""
    monkeypatch.setattr(stages, "SLOW_S", 0.01)
    running: list[Stages[bytes]] = []

    def start(event: bytes, may_commit: threading.Event) -> Stages[bytes]:
        slow, batch = BatchMarks(), batch_of(event)

        def commit(_: bytes) -> Iterator[BatchResult]:
            assert may_commit.wait(WAIT_S)
            yield process_batch(batch.arrivals, [])

        def publish(result: BatchResult) -> None:
            after_commit(slow.taken_back_by(result))

        made: Stages[bytes] = Stages(
            commit=commit,
            between=nothing,
            more=lambda: False,
            slow=lambda _: slow.set(batch.ids()),
            publish=publish,
            done=lambda _: None,
            stop=threading.Event(),
            queued=2,
        )
        running.append(made)
        made.start()
        assert made.offer(event, WAIT_S)
        return made

    yield start
    for each in running:
        each.finish(WAIT_S)
        assert each.failure is None


@pytest.mark.parametrize(
    ("event", "left"), [(value("a"), set()), (value("a", fails=1), {"a"}), (value("a", seq=2), set())]
)
def test_a_batch_is_marked_once_it_takes_long_until_its_hot_state_is_written(
    redis: Redis, run: Callable[[bytes, threading.Event], Stages[bytes]], event: bytes, left: set[str]
) -> None:
    may_commit = threading.Event()
    at_work = run(event, may_commit)
    while marks(redis) != {"a"}:
        assert not at_work.is_idle()
    may_commit.set()
    at_work.finish(WAIT_S)
    assert marks(redis) == left


def test_a_batch_that_does_not_take_long_is_never_marked(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("marked")

    monkeypatch.setattr("processing.engine.in_flight.mark_in_flight", refuse)
    result = process_batch(batch_of(value("a"), value("b", seq=2)).arrivals, [])
    assert BatchMarks().taken_back_by(result) is result
    assert result.hot_state.refresh == []
    write_hot_state(HotStateUpdate(refresh=["b"]))
    assert marks(redis) == set()
