"""A full Redis is not filled further: each script is refused as a whole, before it deletes or writes anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from redis import Redis
from redis.exceptions import OutOfMemoryError

from eventsite.local.services.valkey import Valkey
from processing.background import sweeper
from processing.domain.outcomes import HotStateUpdate, OrderChange
from processing.engine.after_commit import after_commit
from processing.engine.process_batch import process_batch
from processing.hot_state import write
from processing.hot_state.write import mark_in_flight, write_hot_state
from processing.models import HotStateOutbox
from processing.operators import actions
from tests.support import flaky
from tests.support.batches import batch_of, store, value
from tests.support.dead import dead_list, hot, order
from tests.support.full_redis import fill_up, make_room, sizes
from tests.support.replays import replay

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("hints_off", "published")]


@pytest.fixture
def redis(tmp_path: Path, settings: Any) -> Iterator[Redis]:
    """With one event of each kind, before it is full."""
    settings.RETRY_MAX_RETRIES = 0
    flaky.runs.clear()
    with Valkey(tmp_path / "redis") as service:
        settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": service.address}}
        store(value("a", seq=1), value("b", seq=2, fails=1), value("c", seq=3))
        with Redis.from_url(service.address) as client:
            yield client
        caches["default"].close()


def refresh_replayed() -> None:
    write_hot_state(HotStateUpdate(refresh=["b"]))


CALLS: dict[str, Callable[[], object]] = {
    "mark_in_flight": lambda: mark_in_flight(["d"]),
    "write, refreshed": lambda: write_hot_state(HotStateUpdate(refresh=["a", "b", "c"])),
    "write, replayed": refresh_replayed,
    "write, an order": lambda: write_hot_state(HotStateUpdate(orders=[OrderChange("v", 0, 1, [1])])),
    "put_order_lists": lambda: write._put_order_lists([("u", 9, [*range(100)])]),
    "put_dead_letters": lambda: write._put_dead_letters("dead-letters:test", 0, ["b"]),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_refused_whole_however_often_it_is_made(redis: Redis, name: str) -> None:
    if "replayed" in name:
        replay(ids=["b"], actor="tester")
        redis.rpush("dlq:list", "b")
    redis.set("inflight:x", 1)
    before = sizes(redis)
    fill_up(redis)
    for _ in range(20):
        with pytest.raises(OutOfMemoryError):
            CALLS[name]()
    assert sizes(redis) == before
    make_room(redis)
    CALLS[name]()


def test_what_redis_refused_is_written_by_the_sweep_once_there_is_room(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "PATIENCE_S", 0)
    batch = batch_of(value("d", seq=4))
    result = process_batch(batch.arrivals, batch.poisons, comes_again=False)
    fill_up(redis)
    after_commit(result)
    assert actions.discard(ids=["b"], actor="tester").done
    assert HotStateOutbox.objects.count() == 2
    with pytest.raises(OutOfMemoryError):
        sweeper.rescue_hot_state()
    make_room(redis)
    sweeper.rescue_hot_state()
    assert hot(redis, "d")["status"] == "processed"
    assert order(redis, "u") == [1, 3, 4]
    assert dead_list(redis) == []
    assert not HotStateOutbox.objects.exists()
