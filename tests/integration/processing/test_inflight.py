"""`inflight:` marks: there while a try is worked on, and none outlives its event."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from pytest_django.fixtures import Settings
from redis import Redis

from processing.domain.outcomes import BatchResult
from processing.engine import release
from processing.engine.process_batch import process_batch
from processing.engine.release import retry_events
from processing.hot_state.write import mark_in_flight, marked, write_hot_state
from processing.operators import actions
from processing.postgres.due import lanes_and_ids
from tests.support import flaky
from tests.support.batches import batch_of, retry_all, statuses, store, value
from tests.support.dead import text

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

    def look_first(ids: Collection[str]) -> BatchResult:
        seen.append(marks(redis))
        return retry_events(ids)

    monkeypatch.setattr(release, "retry_events", look_first)
    assert retry_all() == 1
    assert statuses()["a"] == ("processed", 2)
    assert seen == [{"a"}]
    assert marks(redis) == set()


@pytest.mark.parametrize("emptied", [False, True], ids=["redis-kept", "redis-emptied"])
def test_one_that_somebody_else_makes_final_before_the_mark_is_set_keeps_none(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, emptied: bool
) -> None:
    store(value("a", fails=1))
    owners = lanes_and_ids

    def overtaken(ids: Collection[str]) -> tuple[set[str], set[str]]:
        found = owners(ids)
        monkeypatch.setattr(release, "lanes_and_ids", owners)
        assert release.run_due(["a"]) == 1
        if emptied:
            redis.flushdb()
        return found

    monkeypatch.setattr(release, "lanes_and_ids", overtaken)
    assert release.run_due(["a"]) == 0
    assert statuses()["a"] == ("processed", 2)
    assert marks(redis) == set()


def test_one_whose_time_has_not_come_keeps_none(redis: Redis, settings: Settings) -> None:
    settings.RETRY_BACKOFF_MS = 60_000
    store(value("a", fails=1))
    assert release.run_due(["a"]) == 0
    assert statuses()["a"] == ("retrying", 1)
    assert marks(redis) == set()


def test_one_whose_try_was_cut_off_keeps_none(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(ids: Collection[str]) -> BatchResult:
        assert marks(redis) == {"a"}
        raise ConnectionError("cut")

    store(value("a", fails=1))
    monkeypatch.setattr(release, "retry_events", cut)
    with pytest.raises(ConnectionError):
        release.run_due(["a"])
    assert marks(redis) == set()


def test_who_finds_nothing_to_try_leaves_the_mark_of_who_tries(redis: Redis) -> None:
    with marked(["a"]):
        with marked(["a", "b"]):
            assert marks(redis) == {"a", "b"}
        assert marks(redis) == {"a"}
    assert marks(redis) == set()


def test_a_mark_that_is_set_again_lives_anew(redis: Redis) -> None:
    mark_in_flight(["a"])
    redis.expire("inflight:a", 1)
    with marked(["a"]):
        assert redis.ttl("inflight:a") > 1


def test_a_batch_that_comes_again_takes_all_its_marks_back(redis: Redis) -> None:
    values = [value("done"), value("failing", fails=1), value("refused")]
    store(*values[:2])
    redis.hset("event:refused", mapping={"status": "invalid", "attempts": 0, "error": "payload: no"})
    batch = batch_of(*values)
    mark_in_flight([arrival.event.id for arrival in batch.arrivals])
    assert marks(redis) == {"done", "failing", "refused"}
    write_hot_state(process_batch(batch.arrivals, batch.poisons).hot_state)
    assert marks(redis) == set()


def test_a_replayed_event_is_marked_again(redis: Redis, settings: Settings, published: None) -> None:
    settings.RETRY_MAX_RETRIES = 0
    store(value("a", fails=1))
    with marked(["a"]):
        assert marks(redis) == set()
    actions.replay(ids=["a"], actor="tester")
    with marked(["a"]):
        assert marks(redis) == {"a"}
        release.run_due(["a"])
        assert marks(redis) == set()
    assert statuses()["a"] == ("processed", 2)
