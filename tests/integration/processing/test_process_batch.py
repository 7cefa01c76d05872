"""The transactions of `settle`, on a real Postgres and Redis."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import pytest
from pytest_django.fixtures import Settings
from redis import Redis

from processing.background import sweeper
from processing.consumer.batch import Batch
from processing.domain.messages import Message
from processing.engine.process_batch import process_batch
from processing.hot_state.write import write_hot_state
from processing.models import HotStateOutbox, Lane
from processing.postgres.lanes import lock_lanes
from processing.postgres.transaction import close_connection, outcome_time, transaction
from tests.pipeline.processes import wait_until
from tests.support import flaky, gaps
from tests.support.batches import applied, column, retry_all, statuses, store, value
from tests.support.locks import somebody_waits_for_a_lock

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("hints_off")]


@pytest.fixture(autouse=True)
def fresh_runs(redis: Redis) -> None:
    flaky.runs.clear()


def order(redis: Redis, user: str = "u") -> list[int]:
    return [int(seq) for seq in redis.lrange(f"order:{user}", 0, -1)]


def test_events_without_seq_are_processed_in_the_order_of_the_log() -> None:
    store(*(value(f"e{n}") for n in range(5)))
    assert column("SELECT event_id FROM game_events ORDER BY id") == [f"e{n}" for n in range(5)]


def test_the_same_batch_again_changes_nothing(redis: Redis) -> None:
    batch = [value("a", seq=1), value("b", seq=2), value("c")]
    store(*batch)
    before = (statuses(), column("SELECT final_at FROM processing_inboxevent ORDER BY id"), redis.hgetall("event:a"))
    settled = store(*batch)
    assert settled.count("duplicate") == 3
    assert (
        statuses(),
        column("SELECT final_at FROM processing_inboxevent ORDER BY id"),
        redis.hgetall("event:a"),
    ) == before
    assert order(redis) == [1, 2]
    assert applied() == [1, 2, None]


def test_a_redelivered_batch_writes_the_hot_state_that_was_lost(redis: Redis) -> None:
    batch = [value("a", seq=1), value("b", seq=2), value("c")]
    store(*batch)
    redis.flushdb()
    store(*batch)
    assert order(redis) == [1, 2]
    assert redis.hget("event:c", "status") == b"processed"
    assert redis.exists("dedup:a", "dedup:b", "dedup:c") == 3


def test_the_same_id_twice_in_one_batch_counts_once() -> None:
    store(value("a", seq=1), value("a", seq=1), value("b"), value("b", "other"))
    assert statuses() == {"a": ("processed", 1), "b": ("processed", 1)}
    assert column("SELECT user_id FROM processing_inboxevent WHERE id = 'b'") == ["u"]


def test_a_thousand_events_backwards_in_one_batch_take_effect_in_order(redis: Redis) -> None:
    store(*(value(f"e{n}", seq=n) for n in range(1000, 0, -1)))
    assert applied() == list(range(1, 1001))
    assert order(redis) == list(range(1, 1001))


def test_events_that_come_early_are_held_and_released_in_order(redis: Redis) -> None:
    store(*(value(f"e{n}", seq=n) for n in range(2, 1001)))
    assert applied() == []
    assert statuses()["e500"] == ("held", 0)
    assert redis.keys("inflight:*") == []
    store(value("e1", seq=1))
    assert applied() == list(range(1, 1001))
    assert order(redis) == list(range(1, 1001))
    assert not HotStateOutbox.objects.exists()


@pytest.mark.parametrize("first", ["processed", "held", "retrying", "same batch"])
def test_the_first_id_of_a_seq_owns_it(first: str) -> None:
    match first:
        case "processed":
            store(value("owner", seq=1))
            store(value("thief", seq=1))
        case "held":
            store(value("owner", seq=2))
            store(value("thief", seq=2))
            store(value("one", seq=1))
        case "retrying":
            store(value("owner", seq=1, fails=1))
            store(value("thief", seq=1))
            retry_all()
        case _:
            store(value("owner", seq=1), value("thief", seq=1))
    assert statuses()["owner"][0] == "processed"
    assert statuses()["thief"] == ("skipped", 0)


def test_a_failing_event_holds_up_its_own_lane_across_families_and_nothing_else(redis: Redis) -> None:
    store(
        value("a1", "a", seq=1, fails=2),
        value("a2", "a", seq=2, family=None),
        value("a3", "a", seq=3, family="game", data={}),
        value("a", "a"),
        value("b1", "b", seq=1),
    )
    assert statuses() == {
        "a1": ("retrying", 1),
        "a2": ("held", 0),
        "a3": ("held", 0),
        "a": ("processed", 1),
        "b1": ("processed", 1),
    }
    retry_all()
    assert statuses()["a1"] == ("retrying", 2)
    retry_all()
    assert statuses()["a1"] == ("processed", 3)
    assert applied("a") == [None, 1, 3]
    assert order(redis, "a") == [1, 2, 3]


def test_tries_used_up_make_a_dead_letter_and_free_the_lane(redis: Redis, settings: Settings) -> None:
    settings.RETRY_MAX_RETRIES = 2
    store(value("bad", seq=1, fails=99), value("good", seq=2))
    for _ in range(2):
        retry_all()
    assert statuses() == {"bad": ("failed", 3), "good": ("processed", 1)}
    assert redis.lrange("dlq:list", 0, -1) == [b"bad"]
    assert redis.hget("dlq:bad", "attempts") == b"3"
    assert redis.hget("event:bad", "status") == b"failed"
    assert order(redis) == [2]


def test_no_retries_fail_at_once_and_the_lane_goes_on(settings: Settings) -> None:
    settings.RETRY_MAX_RETRIES = 0
    store(value("a", seq=1, fails=9), value("b", seq=2), value("c", seq=3, fail=True), value("d", seq=4))
    assert {id: status for id, (status, _) in statuses().items()} == {
        "a": "failed",
        "b": "processed",
        "c": "failed",
        "d": "processed",
    }


def test_poison_keeps_its_bytes_and_the_rest_goes_on(redis: Redis) -> None:
    store(b"not json", value("a", seq=1), None, value("b", seq=0), value("x" * 300))
    assert statuses()["a"] == ("processed", 1)
    raws = column(
        "SELECT raw FROM processing_inboxevent WHERE status = 'failed' AND id LIKE 'poison-%%' ORDER BY \"offset\""
    )
    assert [raw and bytes(raw) for raw in raws] == [b"not json", None, value("b", seq=0), value("x" * 300)]
    assert redis.llen("dlq:list") == 4


def test_poison_whose_error_no_store_would_take_as_it_is(redis: Redis) -> None:
    """The error tells where the trouble is by the sender's own names, which can hold a NUL and be of any length."""
    bad = (
        value("a").replace(b"{}", rb'{"x\u0000y":"\u0000"}'),
        value("b").replace(b"{}", rb'{"%s":"\u0000"}' % (b"n" * 9000)),
    )
    store(value("before", seq=1), *bad, value("after", seq=2))
    assert [statuses()[id][0] for id in ("before", "after")] == ["processed", "processed"]
    errors = column("SELECT error FROM processing_inboxevent WHERE status = 'failed'")
    assert "payload: has a NUL character" in errors
    assert max(map(len, errors)) == 2000


def test_the_id_list_has_no_hash_of_its_own(redis: Redis) -> None:
    store(value("list", fail=True), value("other", fail=True))
    for _ in range(3):
        retry_all()
    assert redis.lrange("dlq:list", 0, -1) == [b"list", b"other"]


@pytest.mark.parametrize("seed", range(8))
def test_whatever_the_arrival_every_lane_ends_in_order(redis: Redis, seed: int, settings: Settings) -> None:
    settings.RETRY_MAX_RETRIES = 2
    dice = random.Random(seed)
    events = [
        value(
            f"{user}-{n}", user, seq=n, fails=dice.choice([0] * 8 + [1, 99]), family=dice.choice(["flaky"] * 3 + [None])
        )
        for user in "abc"
        for n in range(1, 41)
    ]
    dice.shuffle(events)
    events += dice.sample(events, 20)
    while events:
        size = dice.randint(1, 30)
        store(*events[:size])
        del events[:size]
        if dice.random() < 0.5:
            retry_all()
    while retry_all():
        pass
    assert {status for status, _ in statuses().values()} <= {"processed", "failed"}
    for user in "abc":
        assert applied(user) == sorted(applied(user), key=lambda seq: seq or 0)
        processed = column(
            "SELECT seq FROM processing_inboxevent WHERE user_id = %s AND status = 'processed' ORDER BY seq", user
        )
        assert order(redis, user) == processed
    assert not Lane.objects.exclude(next_seq=41, waiting_since=None).exists()
    assert not HotStateOutbox.objects.exists()
    assert redis.keys("inflight:*") == []


def test_nothing_is_final_before_it_was_received() -> None:
    store(value("a"), value("b", seq=2), value("c", "other", seq=1), value("d", "failing", fail=True), b"poison")
    store(value("e", seq=1))
    retry_all()
    assert column("SELECT id FROM processing_inboxevent WHERE received_at > final_at") == []


def in_thread(work: Callable[[], object]) -> None:
    try:
        work()
    finally:
        close_connection()


def test_a_lane_that_waited_for_another_transaction_is_not_before_it(redis: Redis) -> None:
    store(value("a", seq=1))
    later = threading.Thread(target=in_thread, args=(lambda: store(value("b", seq=2), value("other", "v", seq=1)),))
    with transaction() as cursor:
        lock_lanes(cursor, ["u"])
        later.start()
        wait_until(somebody_waits_for_a_lock, 10, "the batch waits for the lane")
        at = outcome_time(cursor)
        cursor.execute("UPDATE processing_lane SET moved_at = %s WHERE user_id = 'u'", (at,))
    later.join(10)
    times = column("SELECT final_at FROM processing_inboxevent WHERE id IN ('b', 'other')")
    assert min(times) >= at
    assert int(redis.hget("event:b", "processedAt") or 0) == round(times[0].timestamp() * 1000)


def test_a_clock_that_was_wrong_bends_no_later_time(redis: Redis) -> None:
    """Neither in the lane that it moved, nor in those that share a transaction with it."""
    store(value("a", seq=1))
    column("UPDATE processing_lane SET moved_at = '2999-01-01T00:00:00Z' RETURNING user_id")
    store(value("b", seq=2), value("other", "v", seq=1), value("free", "w"))
    store(value("d", seq=4))
    store(value("c", seq=3))
    store(value("f", seq=6))
    gaps.pass_gap("u")
    times = column("SELECT final_at FROM processing_inboxevent ORDER BY final_at, seq")
    assert times[-1].year < 2999
    assert column("SELECT max(moved_at) FROM processing_lane") == [times[-1]]


def test_what_is_final_and_comes_no_more_is_named_in_the_outbox_until_redis_has_it(redis: Redis) -> None:
    batch = Batch()
    for line, each in enumerate((value("a", seq=1), value("late", seq=1), value("early", seq=3), value("c"))):
        batch.add(Message(None, None, line, None, each, 1))
    settled = process_batch(batch.arrivals, [], comes_again=False)
    assert sorted(HotStateOutbox.objects.get().event_ids) == ["a", "c", "late"]
    column("UPDATE processing_hotstateoutbox SET created_at = created_at - interval '1 minute' RETURNING id")
    assert sweeper.rescue_hot_state() == 1
    assert [redis.hget(f"event:{id}", "status") for id in ("a", "late", "c")] == [
        b"processed",
        b"skipped",
        b"processed",
    ]
    assert redis.lrange("order:u", 0, -1) == [b"1"]
    write_hot_state(settled.hot_state)  # the run itself comes late
    assert redis.lrange("order:u", 0, -1) == [b"1"]
    assert not HotStateOutbox.objects.exists()
