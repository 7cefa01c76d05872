"""The hot state under late, doubled and lost writes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import pytest
from django.core.cache import caches
from django.utils.timezone import now
from pytest_django.fixtures import Settings
from redis import Redis

from eventsite.local.services.valkey import Valkey
from processing.background import sweeper
from processing.domain.outcomes import BatchResult, HotStateUpdate
from processing.engine import release
from processing.engine.process_batch import process_batch
from processing.engine.release import release_lanes, retry_events
from processing.hot_state.write import write_hot_state
from processing.models import DeadLetter, HotStateOutbox
from tests.support import flaky
from tests.support.batches import batch_of, column, retry_all, statuses, store, value
from tests.support.factories import DeadLetterFactory
from tests.support.replays import replay

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("hints_off")]


@pytest.fixture(autouse=True)
def fresh_runs(redis: Redis) -> None:
    flaky.runs.clear()


def order(redis: Redis) -> list[int]:
    return [int(seq) for seq in redis.lrange("order:u", 0, -1)]


def commit(*values: bytes) -> BatchResult:
    """A batch that is in Postgres, and not yet in Redis."""
    batch = batch_of(*values)
    return process_batch(batch.arrivals, batch.poisons)


@pytest.mark.parametrize("sequence", list(permutations(range(3))))
def test_whoever_writes_last_the_order_list_is_true(redis: Redis, sequence: tuple[int, ...]) -> None:
    commits = [commit(*(value(f"e{n}", seq=n) for n in range(first, first + 3))) for first in (1, 4, 7)]
    for each in sequence:
        write_hot_state(commits[each].hot_state)
    write_hot_state(commits[0].hot_state)
    assert order(redis) == list(range(1, 10))


@pytest.mark.parametrize("count", [0, 1, 4, 5, 6, 23])
def test_a_large_batch_takes_several_calls_and_leaves_what_one_call_would(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr("processing.hot_state.write.CALL_EVENTS", 5)
    numbered = [value(f"n{n}", seq=n) for n in range(1, count + 1)]
    store(*numbered, *(value(f"e{n}") for n in range(count)), value("late", seq=1), value("failing", fails=1))
    written = {id for id in statuses() if redis.exists(f"event:{id}")}
    final = {id for id, (status, _) in statuses().items() if status in ("processed", "skipped")}
    assert written == final
    assert redis.exists(*(f"dedup:{id}" for id in final)) == len(final)
    assert order(redis) == list(range(1, max(count, 1) + 1))
    assert redis.keys("inflight:*") == [b"inflight:failing"]


def test_a_list_that_is_gone_is_put_back_whole(redis: Redis) -> None:
    store(*(value(f"e{n}", seq=n) for n in range(1, 6)))
    redis.flushdb()
    store(value("e6", seq=6))
    assert order(redis) == [1, 2, 3, 4, 5, 6]


def test_the_list_keeps_the_newest(redis: Redis, settings: Settings) -> None:
    settings.ORDER_LIST_MAX = 4
    store(*(value(f"e{n}", seq=n) for n in range(1, 8)))
    assert order(redis) == [4, 5, 6, 7]
    store(value("e8", seq=8))
    assert order(redis) == [5, 6, 7, 8]
    redis.delete("order:u")
    store(value("e9", seq=9))
    assert order(redis) == [6, 7, 8, 9]


def test_a_crash_after_the_commit_that_released_a_lane_leaves_it_to_the_sweep(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(*(value(f"e{n}", seq=n) for n in range(2, 1001)))
    write_hot_state(commit(value("e1", seq=1)).hot_state)
    release_lanes(["u"])  # and the process dies before it writes
    assert redis.exists("event:e2", "event:e1000") == 0
    monkeypatch.setattr(sweeper, "PATIENCE_S", 0)
    sweeper.rescue_hot_state()
    assert order(redis) == list(range(1, 1001))
    assert redis.hget("event:e1000", "status") == b"processed"
    assert not HotStateOutbox.objects.exists()


def test_a_late_writer_undoes_nothing(redis: Redis, settings: Settings) -> None:
    settings.RETRY_MAX_RETRIES = 0
    failed = commit(value("a", fails=1))
    write_hot_state(failed.hot_state)
    assert redis.lrange("dlq:list", 0, -1) == [b"a"]
    replay(ids=["a"], actor="tester")
    assert redis.exists("event:a", "dlq:a", "dlq:list") == 0
    write_hot_state(failed.hot_state)
    assert redis.exists("event:a", "dlq:a", "dlq:list") == 0
    release.run_due(["a"])
    assert redis.hget("event:a", "status") == b"processed"
    write_hot_state(failed.hot_state)
    assert redis.hgetall("event:a")[b"status"] == b"processed"
    assert redis.exists("dlq:a", "dlq:list") == 0


def test_dead_letters_join_their_list_in_the_order_in_which_they_are_told(redis: Redis) -> None:
    for id in ("first", "second", "third"):
        DeadLetterFactory.create(event__id=id)
    write_hot_state(HotStateUpdate(refresh=["third", "first", "second"]))
    assert redis.lrange("dlq:list", 0, -1) == [b"third", b"first", b"second"]


def test_a_replayed_seq_joins_the_list_in_its_place(redis: Redis, settings: Settings) -> None:
    settings.RETRY_MAX_RETRIES = 0
    store(value("a", seq=1), value("b", seq=2, fails=1), value("c", seq=3))
    assert order(redis) == [1, 3]
    replay(ids=["b"], actor="tester")
    release.run_due(["b"])
    assert statuses()["b"] == ("processed", 2)
    assert order(redis) == [1, 2, 3]


def test_a_replay_and_the_lane_written_in_either_order_give_the_same_list(redis: Redis, settings: Settings) -> None:
    settings.RETRY_MAX_RETRIES = 0
    store(value("a", seq=1), value("b", seq=2, fails=1), value("c", seq=3))
    replay(ids=["b"], actor="tester")
    replayed = retry_events(["b"])
    appended = commit(value("d", seq=4))
    write_hot_state(appended.hot_state)
    write_hot_state(replayed.hot_state)
    assert order(redis) == [1, 2, 3, 4]


def test_an_event_that_was_refused_at_the_door_and_mended_counts(redis: Redis) -> None:
    redis.hset("event:a", mapping={"status": "invalid", "attempts": 0, "error": "payload: no", "seq": 9})
    store(value("a"))
    assert redis.hget("event:a", "status") == b"processed"
    assert redis.hmget("event:a", "error", "seq") == [None, None]


def test_keys_go_after_their_time(redis: Redis) -> None:
    store(value("a", seq=1), value("b", fail=True), b"poison")
    for _ in range(3):
        retry_all()
    keys = redis.keys("*")
    assert all(0 < redis.ttl(key) <= 86_400 for key in keys), [key for key in keys if redis.ttl(key) <= 0]
    assert column("SELECT count(*) FROM processing_deadletter") == [2]


@pytest.fixture
def own(tmp_path: Path, settings: Settings) -> Iterator[Redis]:
    """A Redis whose commands nobody else counts with us."""
    with Valkey(tmp_path / "redis") as service, Redis.from_url(service.address) as client:
        settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": service.address}}
        yield client
        caches["default"].close()


def test_letters_that_leave_a_long_list_are_looked_for_once_and_from_its_beginning(
    own: Redis, settings: Settings
) -> None:
    settings.RETRY_MAX_RETRIES = 0
    oldest = [f"e-{n:02}" for n in range(20)]
    store(*(value(id, fails=1) for id in oldest))
    DeadLetter.objects.update(published_at=now())
    own.rpush("dlq:list", *(f"other-{n}" for n in range(2_500)))
    own.config_resetstat()
    replay(ids=oldest, actor="ada")
    assert own.lrange("dlq:list", 0, 0) == [b"other-0"]
    assert looks(own) == 2, "at a thousand of it, and what is asked above"
    release.run_due(oldest)
    assert {status for status, _ in statuses().values()} == {"processed"}
    assert own.exists(*(f"event:{id}" for id in oldest)) == 20
    assert looks(own) == 2, "they had left it"
    assert own.llen("dlq:list") == 2_500


def looks(redis: Redis) -> int:
    return int(redis.info("commandstats")["cmdstat_lrange"]["calls"])
