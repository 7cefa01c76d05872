"""`inflight:` marks: there while a try is worked on, and none outlives its event."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from pytest_django.fixtures import Settings
from redis import Redis

from processing import hot_state, operations, waiting, waking
from processing.settle import Settled, retry_free, settle_batch
from processing.store import Cursor
from tests.processing import flaky
from tests.processing.batches import batch_of, retry_all, statuses, store, value
from tests.processing.dead import text

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("hints_off")]


@pytest.fixture(autouse=True)
def fresh_runs(redis: Redis, settings: Settings) -> None:
    flaky.runs.clear()
    settings.RETRY_BACKOFF_MS = 0


def marks(redis: Redis) -> set[str]:
    return {text(key).removeprefix("inflight:") for key in redis.keys("inflight:*")}


def test_an_event_is_marked_while_it_is_tried(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    store(value("a", fails=1))
    assert marks(redis) == set()
    seen: list[set[str]] = []

    def look_first(ids: Collection[str]) -> Settled:
        seen.append(marks(redis))
        return retry_free(ids)

    monkeypatch.setattr(waking, "retry_free", look_first)
    assert retry_all() == 1
    assert statuses()["a"] == ("processed", 2)
    assert seen == [{"a"}]
    assert marks(redis) == set()


@pytest.mark.parametrize("emptied", [False, True], ids=["redis-kept", "redis-emptied"])
def test_one_that_somebody_else_makes_final_before_the_mark_is_set_keeps_none(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, emptied: bool
) -> None:
    store(value("a", fails=1))
    owners = waiting.owners

    def overtaken(cursor: Cursor, ids: Collection[str]) -> tuple[set[str], set[str]]:
        found = owners(cursor, ids)
        monkeypatch.setattr(waiting, "owners", owners)
        assert waking.wake(["a"]) == 1
        if emptied:
            redis.flushdb()
        return found

    monkeypatch.setattr(waiting, "owners", overtaken)
    assert waking.wake(["a"]) == 0
    assert statuses()["a"] == ("processed", 2)
    assert marks(redis) == set()


def test_one_whose_time_has_not_come_keeps_none(redis: Redis, settings: Settings) -> None:
    settings.RETRY_BACKOFF_MS = 60_000
    store(value("a", fails=1))
    assert waking.wake(["a"]) == 0
    assert statuses()["a"] == ("retrying", 1)
    assert marks(redis) == set()


def test_one_whose_try_was_cut_off_keeps_none(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(ids: Collection[str]) -> Settled:
        assert marks(redis) == {"a"}
        raise ConnectionError("cut")

    store(value("a", fails=1))
    monkeypatch.setattr(waking, "retry_free", cut)
    with pytest.raises(ConnectionError):
        waking.wake(["a"])
    assert marks(redis) == set()


def test_who_finds_nothing_to_try_leaves_the_mark_of_who_tries(redis: Redis) -> None:
    with hot_state.marked(["a"]):
        with hot_state.marked(["a", "b"]):
            assert marks(redis) == {"a", "b"}
        assert marks(redis) == {"a"}
    assert marks(redis) == set()


def test_a_mark_that_is_set_again_lives_anew(redis: Redis) -> None:
    hot_state.begin(["a"])
    redis.expire("inflight:a", 1)
    with hot_state.marked(["a"]):
        assert redis.ttl("inflight:a") > 1


def test_a_batch_that_comes_again_marks_only_what_is_not_final(redis: Redis) -> None:
    values = [value("done"), value("failing", fails=1), value("refused")]
    store(*values[:2])
    redis.hset("event:refused", mapping={"status": "invalid", "attempts": 0, "error": "payload: no"})
    batch = batch_of(*values)
    hot_state.begin([arrival.event.id for arrival in batch.arrivals])
    assert marks(redis) == {"failing", "refused"}
    hot_state.write(settle_batch(batch.arrivals, batch.poisons))
    assert marks(redis) == set()


def test_a_replayed_event_is_marked_again(redis: Redis, settings: Settings, published: None) -> None:
    settings.RETRY_MAX_RETRIES = 0
    store(value("a", fails=1))
    hot_state.begin(["a"])
    assert marks(redis) == set()
    operations.replay(ids=["a"], actor="tester")
    with hot_state.marked(["a"]):
        assert marks(redis) == {"a"}
        waking.wake(["a"])
        assert marks(redis) == set()
    assert statuses()["a"] == ("processed", 2)
