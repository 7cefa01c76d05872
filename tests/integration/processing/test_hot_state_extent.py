"""HOT_STATE: how much Redis holds of the events."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django.fixtures import Settings
from redis import Redis

from processing.background import sweeper
from processing.engine import release
from processing.engine.after_commit import after_commit
from processing.engine.in_flight import BatchMarks
from processing.engine.process_batch import process_batch
from processing.hot_state import rebuild
from processing.hot_state.write import mark_in_flight, write_hot_state
from processing.models import HotStateOutbox
from tests.support import flaky
from tests.support.batches import batch_of, statuses, store, value
from tests.support.dead import dead_list, hot, order, text
from tests.support.replays import replay

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("hints_off", "published")]

EVENTS = (
    value("fine"),
    value("first", seq=1),
    value("late", seq=1),
    value("failed", seq=2, fails=1),
    b"poison",
)
REFUSED: dict[bytes | bytearray | memoryview[int] | str | int | float, Any] = {
    "status": "invalid",
    "attempts": 0,
    "error": "payload: no",
}


@pytest.fixture(autouse=True)
def one_try(redis: Redis, settings: Settings) -> None:
    settings.RETRY_MAX_RETRIES = 0
    flaky.runs.clear()


def keys(redis: Redis) -> set[str]:
    names = {text(key) for key in redis.keys("*")}
    return {name for name in names if not name.startswith(("_kombu", "eventsite"))}  # Celery's


def ids() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for id, (status, _) in statuses().items():
        found.setdefault(status, []).append(id)
    return found


def wanted(extent: str) -> set[str]:
    """All keys that there should be for what the inbox has."""
    if extent == "off":
        return set()
    by_status = ids()
    final = by_status["failed"] + by_status["skipped"] + (by_status["processed"] if extent == "all" else [])
    lists = {"order:u", "order-version:u"} if extent == "all" else set()
    letters = {"dlq:list", *(f"dlq:{id}" for id in by_status["failed"])}
    return {f"{kind}:{id}" for id in final for kind in ("event", "dedup")} | lists | letters


@pytest.mark.parametrize("extent", ["all", "unhappy", "off"])
def test_redis_holds_so_much_and_nothing_else(redis: Redis, settings: Settings, extent: str) -> None:
    settings.HOT_STATE = extent
    for _ in range(2):  # the second time as duplicates
        store(*EVENTS)
        assert keys(redis) == wanted(extent)
    redis.flushdb()
    rebuild_all()
    sweeper.rescue_dead_letter_list()
    assert keys(redis) == wanted(extent)


@pytest.mark.parametrize("before", ["all", "unhappy", "off"])
@pytest.mark.parametrize("after", ["all", "unhappy", "off"])
def test_after_a_change_a_rebuild_leaves_what_the_setting_says(
    redis: Redis, settings: Settings, before: str, after: str
) -> None:
    settings.HOT_STATE = before
    store(*EVENTS)
    redis.hset("event:refused", mapping=REFUSED)
    settings.HOT_STATE = after
    rebuild_all()
    assert keys(redis) == wanted(after) | {"event:refused"}


@pytest.mark.parametrize("extent", ["all", "unhappy"])
def test_a_refusal_does_not_outlive_the_event_that_came_under_its_id(
    redis: Redis, settings: Settings, extent: str
) -> None:
    settings.HOT_STATE = extent
    redis.hset("event:fine", mapping=REFUSED)
    store(*EVENTS)
    assert keys(redis) == wanted(extent)
    assert hot(redis, "fine").get("status") == ("processed" if extent == "all" else None)


def rebuild_all() -> None:
    for step in (rebuild.rebuild_dead_letters, rebuild.rebuild_events, rebuild.rebuild_all_order_lists):
        assert all(step())


def test_what_is_processed_in_the_end_leaves_nothing_whoever_writes_last(redis: Redis, settings: Settings) -> None:
    settings.HOT_STATE = "unhappy"
    batch = batch_of(value("a", seq=1, fails=1))
    failed = process_batch(batch.arrivals, [])
    write_hot_state(failed.hot_state)
    assert hot(redis, "a")["status"] == "failed"
    assert dead_list(redis) == ["a"]
    replay(ids=["a"], actor="tester")
    assert keys(redis) == {"dedup:a", "inflight:a"}
    release.run_due(["a"])
    assert statuses()["a"] == ("processed", 2)
    assert keys(redis) == set()
    write_hot_state(failed.hot_state)
    assert keys(redis) == set()
    assert order(redis) == []


@pytest.mark.parametrize("extent", ["unhappy", "off"])
def test_no_mark_outlives_its_event(redis: Redis, settings: Settings, extent: str) -> None:
    settings.HOT_STATE = extent
    batch, slow = batch_of(value("a"), value("b", seq=2)), BatchMarks()
    slow.set(batch.ids())
    assert keys(redis) == ({"inflight:a", "inflight:b"} if extent == "unhappy" else set())
    write_hot_state(slow.taken_back_by(process_batch(batch.arrivals, [])).hot_state)
    assert keys(redis) == set()


def test_a_mark_of_a_process_that_died_goes_with_the_write_of_the_next(redis: Redis, settings: Settings) -> None:
    settings.HOT_STATE = "unhappy"
    mark_in_flight(["a"])
    store(value("a"))
    assert keys(redis) == set()


def test_what_is_retrying_has_its_mark_unless_the_hot_state_is_off(redis: Redis, settings: Settings) -> None:
    settings.RETRY_MAX_RETRIES = 1
    settings.HOT_STATE = "unhappy"
    store(value("a", fails=1))
    assert keys(redis) == {"inflight:a"}
    settings.HOT_STATE = "off"
    assert sweeper.renew_marks() == 0


def test_without_a_hot_state_no_outbox_is_written(settings: Settings) -> None:
    settings.HOT_STATE = "off"
    batch = batch_of(*EVENTS)
    result = process_batch(batch.arrivals, batch.poisons, comes_again=False)
    assert not HotStateOutbox.objects.exists()
    after_commit(result)
