"""Redis may lose any single key of ours between any two steps: the next write of it, or the sweep, puts it right."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from typing import Any

import pytest
from pytest_django.fixtures import Settings
from redis import Redis

from processing.background import sweeper
from processing.domain.outcomes import HotStateUpdate
from processing.engine.in_flight import BatchMarks
from processing.engine.process_batch import process_batch
from processing.engine.release import release_all
from processing.hot_state import rebuild, write
from processing.hot_state.write import write_hot_state
from processing.models import DeadLetter, InboxEvent
from processing.operators import actions
from processing.postgres.hot_rows import hot_rows, order_lists
from tests.support import flaky
from tests.support.batches import batch_of, retry_all, store, value
from tests.support.dead import dead_list, hot, order, text
from tests.support.factories import DeadLetterFactory
from tests.support.replays import replay

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("hints_off", "published")]

USERS = ("u", "v")


@pytest.fixture(autouse=True)
def one_try(redis: Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Failed is failed. Every write is taken for a late one, and nothing in the outbox is too young to be swept."""
    settings.RETRY_MAX_RETRIES = 0
    monkeypatch.setattr(write, "LATE_S", -1)
    monkeypatch.setattr(sweeper, "PATIENCE_S", 0)
    flaky.runs.clear()


def open_letters() -> list[str]:
    return list(DeadLetter.objects.filter(discarded_at=None).order_by("queued_at", "event_id").values_list(flat=True))


def processed(user: str) -> list[int]:
    rows = InboxEvent.objects.filter(user_id=user, status="processed", seq__isnull=False)
    return [seq for seq in rows.order_by("seq").values_list("seq", flat=True) if seq is not None]


class History:
    """Steps chosen at random, each a thing that happens to events, and what they may say of Redis afterwards."""

    def __init__(self, redis: Redis, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.redis, self.choose, self.monkeypatch = redis, random.Random(seed), monkeypatch
        self.updates: list[HotStateUpdate] = []
        self.batches: list[tuple[bytes, ...]] = []
        self.seqs = dict.fromkeys(USERS, 0)
        self.log: list[str] = [f"seed {seed}"]
        self.stale: Callable[[], None] | None = None

    def step(self) -> None:
        steps = [self.arrive, self.arrive, self.fail, self.poison, self.replay, self.discard, self.write_late]
        steps += [self.redeliver, self.read_rows, self.write_stale, self.rebuild]
        step = self.choose.choice(steps)
        self.log.append(step.__name__)
        step()

    def value(self, **payload: Any) -> bytes:
        user = self.choose.choice(USERS)
        if self.choose.random() < 0.8:
            self.seqs[user] += 1
            payload["seq"] = self.seqs[user]
        return value(f"e{len(self.batches)}-{self.choose.random()}", user, **payload)

    def settle(self, *values: bytes) -> None:
        self.batches.append(values)
        batch = batch_of(*values)
        marks = BatchMarks()
        if self.choose.random() < 0.5:
            marks.set(batch.ids())
        result = marks.taken_back_by(process_batch(batch.arrivals, batch.poisons))
        self.updates.append(result.hot_state)
        if self.choose.random() < 0.8:  # else its hot state is written late
            write_hot_state(result.hot_state)
            release_all(result.ready)

    def arrive(self) -> None:
        self.settle(*(self.value() for _ in range(self.choose.choice((1, 3)))))

    def fail(self) -> None:
        self.settle(self.value(), self.value(fails=1), self.value())

    def poison(self) -> None:
        self.settle(f"poison {len(self.batches)}".encode())

    def replay(self) -> None:
        failed = DeadLetter.objects.filter(discarded_at=None, reason="failed").values_list("pk", flat=True)
        if failed:
            replay(ids=[self.choose.choice(sorted(failed))], actor="tester")
            if self.choose.random() < 0.5:
                retry_all()

    def discard(self) -> None:
        if letters := open_letters():
            actions.discard(ids=[self.choose.choice(letters)], actor="tester")

    def write_late(self) -> None:
        if self.updates:
            write_hot_state(self.choose.choice(self.updates))

    def redeliver(self) -> None:
        if self.batches:
            store(*self.choose.choice(self.batches))

    def rebuild(self) -> None:
        for each in (rebuild.rebuild_dead_letters, rebuild.rebuild_events, rebuild.rebuild_all_order_lists):
            assert all(each())

    def read_rows(self) -> None:
        """A process reads what it will write, and is stopped."""
        ids, users = list(InboxEvent.objects.values_list("pk", flat=True)), list(USERS)
        rows, lists = hot_rows(ids), order_lists(users, 10_000)

        def go_on() -> None:
            with self.monkeypatch.context() as patch:
                patch.setattr(write, "hot_rows", once(rows, hot_rows))
                patch.setattr(write, "order_lists", once(lists, order_lists))
                write_hot_state(HotStateUpdate(refresh=ids))
            with self.monkeypatch.context() as patch:
                patch.setattr(write, "order_lists", once(lists, order_lists))
                write.rebuild_order_lists(users)

        self.stale = go_on

    def write_stale(self) -> None:
        """The process goes on."""
        if self.stale is not None:
            self.stale()
            self.stale = None

    def lose_a_key(self) -> None:
        keys = sorted(self.redis.keys("*"))
        if keys and self.choose.random() < 0.7:
            key = self.choose.choice(keys)
            self.log.append(f"lost {text(key)}")
            self.redis.delete(key)

    def settle_all(self) -> None:
        for update in self.updates:
            write_hot_state(update)
        sweep()

    def check(self) -> None:
        """What is there is true, and the sweep has put the list of dead letters back."""
        self.settle_all()
        assert sorted(dead_list(self.redis)) == sorted(open_letters()), self.log
        for user in USERS:
            assert order(self.redis, user) in ([], processed(user)), self.log
        self.check_events(InboxEvent.objects.all(), complete=False)

    def check_events(self, rows: Collection[InboxEvent], *, complete: bool) -> None:
        letters = set(open_letters())
        for row in rows:
            state, letter = hot(self.redis, row.id), self.redis.hgetall(f"dlq:{row.id}")
            is_final = row.status in ("processed", "failed", "skipped")
            wanted = {"status": row.status, "attempts": str(row.attempts), "userId": row.user_id} if is_final else {}
            assert (complete and is_final) <= bool(state), (row.id, self.log)
            assert {name: state[name] for name in wanted if state} == (wanted if state else {}), (row.id, self.log)
            assert bool(state) <= is_final, (row.id, self.log)
            assert bool(letter) <= (row.id in letters), (row.id, self.log)
            assert (complete and row.id in letters) <= bool(letter), (row.id, self.log)
            assert (complete and is_final) <= self.redis.exists(f"dedup:{row.id}"), (row.id, self.log)
        retrying = {row.id for row in rows if row.status == "retrying"}
        marks = {text(key).removeprefix("inflight:") for key in self.redis.keys("inflight:*")}
        assert retrying == marks if complete else retrying >= marks, self.log

    def check_whole(self) -> None:
        """After one more write of everything nothing is missing."""
        self.settle_all()
        ids = list(InboxEvent.objects.values_list("pk", flat=True))
        write_hot_state(HotStateUpdate(refresh=ids))
        for user in USERS:
            assert order(self.redis, user) == processed(user), self.log
        assert sorted(dead_list(self.redis)) == sorted(open_letters()), self.log
        self.check_events(InboxEvent.objects.all(), complete=True)


def once(first: Any, then: Callable[..., Any]) -> Callable[..., Any]:
    answers = [first]
    return lambda *arguments: answers.pop() if answers else then(*arguments)


def sweep() -> None:
    sweeper.rescue_hot_state()
    sweeper.rescue_dead_letter_list()


@pytest.mark.parametrize("seed", range(40))
def test_whatever_single_key_is_lost_redis_says_nothing_that_postgres_does_not(
    redis: Redis, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = History(redis, seed, monkeypatch)
    for _ in range(12):
        history.step()
        history.lose_a_key()
        if history.choose.random() < 0.5:
            history.check()
            history.lose_a_key()
    history.check_whole()


def lose(redis: Redis, pattern: str) -> None:
    """Delete the keys of a pattern; it does not matter whether there are any."""
    for key in redis.keys(pattern):
        redis.delete(key)


PATTERNS = ("*dead*", "dlq:list", "dlq:a", "event:*", "dedup:*", "order:*", "order-version:*", "retracted:*")


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_dead_letter_is_listed_once_and_no_more_when_it_is_replayed(redis: Redis, pattern: str) -> None:
    failed = [value("a", seq=1, fails=1), value("b", fails=1)]
    store(*failed)
    lose(redis, pattern)
    store(*failed)
    sweep()
    assert dead_list(redis) == ["a", "b"]
    lose(redis, pattern)
    replay(ids=["a"], actor="tester")
    sweep()
    assert dead_list(redis) == ["b"]
    lose(redis, pattern)
    store(*failed)
    retry_all()
    sweep()
    assert dead_list(redis) == ["b"]
    assert hot(redis, "a")["status"] == "processed"
    assert order(redis, "u") == [1]


def test_a_list_of_dead_letters_that_is_gone_is_put_back_whole_by_the_next_write(redis: Redis) -> None:
    store(value("a", fails=1))
    store(value("b", fails=1))
    redis.delete("dlq:list")
    store(value("c", fails=1))
    assert dead_list(redis) == ["a", "b", "c"]
    redis.delete("dlq:list")
    actions.discard(ids=["a"], actor="tester")
    assert dead_list(redis) == ["b", "c"]
    redis.delete("dlq:list")
    sweep()
    assert dead_list(redis) == ["b", "c"]
    assert 0 < redis.ttl("dlq:list") <= 86_400
    assert redis.keys("dead-letters:*") == []


@pytest.mark.parametrize("count", [1, 3, 4, 25])
def test_a_list_is_put_back_in_parts(redis: Redis, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(write, "LETTERS_AT_ONCE", 3)
    ids = [DeadLetterFactory.create().pk for _ in range(count)]
    sweep()
    assert dead_list(redis) == open_letters()
    assert sorted(ids) == sorted(open_letters())
    redis.rpush("dlq:list", "another's")
    sweep()
    assert dead_list(redis)[-1] == "another's", "it was there: nobody has put it back"


def test_parts_that_are_gone_meanwhile_are_put_again(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "LETTERS_AT_ONCE", 2)
    for _ in range(6):
        DeadLetterFactory.create()
    put = write._put_dead_letters
    lost: list[object] = []

    def put_and_lose(stage: str, start: int, ids: Sequence[str]) -> bool:
        done = put(stage, start, ids)
        if not lost:
            lost.append(redis.delete(stage))
        return done

    monkeypatch.setattr(write, "_put_dead_letters", put_and_lose)
    sweep()
    assert dead_list(redis) == open_letters()
    assert lost == [1]


@pytest.mark.parametrize("count", [1, 9, 10, 30])
def test_many_dead_letters_join_and_leave_in_one_call(redis: Redis, count: int) -> None:
    store(value("first", fails=1), value("last", fails=1))
    store(*(value(f"a{n}", fails=1) for n in range(count)))
    store(*(value(f"a{n}", fails=1) for n in range(count)))
    assert dead_list(redis) == ["first", "last", *(f"a{n}" for n in range(count))]
    actions.discard(ids=["last", *(f"a{n}" for n in range(count))], actor="tester")
    assert dead_list(redis) == ["first"]
