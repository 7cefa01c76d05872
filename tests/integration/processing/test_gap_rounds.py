"""Gaps by rounds: how many rounds and transactions crowds take, and what each lane may pass. No broker is asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer
from pytest_django.fixtures import Settings
from redis import Redis

from processing.consumer.added_partitions import AddedPartitions
from processing.consumer.batch import Batch
from processing.consumer.gaps import ASK_AGAIN_S, GapRounds
from processing.consumer.partitions import Key, Partition, Partitions
from processing.domain.messages import Message
from processing.domain.outcomes import BatchResult
from processing.engine import release
from processing.engine.after_commit import after_commit
from processing.engine.process_batch import process_batch
from processing.engine.release import ReadyLanes
from processing.models import PartitionPosition, PassedGap
from processing.operators.set_lane import set_lane
from processing.postgres import due, imports
from tests.support import flaky
from tests.support.batches import applied, column, retry_all, statuses, value

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("hints_off")]

EVENTS, OTHERS = ("events", 0), ("events", 1)
TIMEOUT_S = 2.0


@pytest.fixture(autouse=True)
def patience(redis: Redis, settings: Settings) -> None:
    flaky.runs.clear()
    settings.SEQUENCE_GAP_TIMEOUT_MS = TIMEOUT_S * 1000
    settings.RETRY_BACKOFF_MS = 0


class Consuming:
    """A consumer of one partition, since 0.0, by its own clock; the log ends where it was last read to."""

    def __init__(self, key: Key = EVENTS) -> None:
        self.key = key
        self.partitions = Partitions()
        self.partitions.assign([key])
        self.asked = 0
        self.end: int | None = None
        self.ready = ReadyLanes()
        self.results: list[BatchResult] = []
        self.rounds = GapRounds(self.partitions, self._ask, AddedPartitions(Consumer({"group.id": "none"}), []))
        self.place()

    @property
    def partition(self) -> Partition:
        found = self.partitions.find(self.key)
        assert found is not None
        return found

    def place(self, start: int = 0, generation: int = 1) -> None:
        topic, number = self.key
        PartitionPosition.objects.update_or_create(
            topic=topic,
            partition=number,
            defaults={"next_offset": start, "end_offset": start, "generation": generation},
        )
        self.partition.polled = self.partition.stored = start
        self.partition.generation = generation
        self.partition.gaps.note_held(0.0, start, TIMEOUT_S)

    def read(self, *values: bytes, at: float) -> None:
        """A batch, as the commit stage takes it."""
        batch = Batch(read_at=at)
        for each in values:
            batch.add(Message(*self.key, self.partition.polled or 0, None, each))
            batch.positions[self.partition] = self.partition.polled = (self.partition.polled or 0) + 1
        result = process_batch(batch.arrivals, batch.poisons, moves=batch.moves())
        after_commit(result)
        self.partition.stored = self.partition.polled
        self.ready.add(result.ready)
        if result.held:
            self.rounds.note_held(batch)

    def look(self, at: float) -> int:
        """One look, and all turns of the lanes that it finds; returns how many gaps were passed."""
        self.ready.add_passable(self.rounds.look(at))
        results = list(self.turns())
        self.results += results
        return sum(result.passed for result in results)

    def turns(self) -> Iterator[BatchResult]:
        for result in self.ready.release_all():
            after_commit(result)
            yield result

    def _ask(self, key: Key) -> int | None:
        assert key == self.key
        self.asked += 1
        return self.partition.stored if self.end is None else self.end


def numbered(user: str, *seqs: int) -> list[bytes]:
    return [value(f"{user}-{seq}", user, seq=seq) for seq in seqs]


def waiting() -> list[str]:
    return column("SELECT id FROM processing_inboxevent WHERE status IN ('held', 'retrying') ORDER BY user_id, seq")


# --- crowds ---


def test_a_lane_of_even_seqs_is_through_in_one_round(monkeypatch: pytest.MonkeyPatch, redis: Redis) -> None:
    monkeypatch.setattr(due, "TURN_ROWS", 100)
    consumer = Consuming()
    consumer.read(*numbered("u", *range(2, 602, 2)), at=0.0)
    assert consumer.look(at=2.0) == 300
    assert consumer.asked == 1
    assert [len(result.outcomes) for result in consumer.results] == [100, 100, 100]
    assert applied() == list(range(2, 602, 2))
    assert redis.llen("order:u") == 300
    assert PassedGap.objects.count() == 300
    assert set(column("SELECT last_seq - first_seq FROM processing_passedgap")) == {0}


def test_a_crowd_of_lanes_is_through_in_one_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "LANES_AT_ONCE", 50)
    consumer = Consuming()
    for number in range(10):
        consumer.read(*(each for lane in range(30) for each in numbered(f"u-{number}-{lane}", 57)), at=number / 10)
    assert consumer.look(at=2.9) == 300
    assert consumer.asked == 1
    assert [len(result.outcomes) for result in consumer.results] == [50] * 6
    assert waiting() == []


def test_who_comes_while_a_crowd_has_its_turns_is_among_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "LANES_AT_ONCE", 10)
    consumer = Consuming()
    consumer.read(*(each for lane in range(60) for each in numbered(f"crowd-{lane:02}", 2)), at=0.0)
    consumer.read(*numbered("neighbour", 2), at=1.0)
    consumer.ready.add_passable(consumer.rounds.look(2.0))
    turns = consumer.turns()
    next(turns)
    consumer.ready.add_passable(consumer.rounds.look(3.0))
    assert consumer.asked == 2
    assert "neighbour-2" in [outcome.event.id for outcome in next(turns).outcomes]
    assert sum(len(result.outcomes) for result in turns) == 61 - 20
    assert waiting() == []


def test_a_lane_in_which_much_waits_takes_no_turn_from_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due, "TURN_ROWS", 20)
    monkeypatch.setattr(release, "LANES_AT_ONCE", 2)
    consumer = Consuming()
    consumer.read(*numbered("long", *range(2, 102)), at=0.0)
    consumer.read(*numbered("long", 1), at=0.0)
    turns = consumer.turns()
    assert len(next(turns).outcomes) == 20
    consumer.read(*(each for lane in range(4) for each in numbered(f"u-{lane}", 2)), at=0.1)
    consumer.read(*(each for lane in range(4) for each in numbered(f"u-{lane}", 1)), at=0.1)
    for _ in range(6):
        next(turns)
    assert [applied(f"u-{lane}") for lane in range(4)] == [[1, 2]] * 4
    assert len(applied("long")) < 101
    assert sum(len(result.outcomes) for result in turns) > 0
    assert applied("long") == list(range(1, 102))


# --- which gap ---


def test_a_gap_is_as_old_as_the_first_that_was_read_of_those_behind_it() -> None:
    consumer = Consuming()
    consumer.read(*numbered("u", 5), at=0.0)
    consumer.read(*numbered("u", 3), at=1.9)
    consumer.read(*numbered("u", 9), at=1.9)
    assert consumer.look(at=1.9) == 0
    assert consumer.look(at=2.0) == 2, "before 3 and before 5"
    assert waiting() == ["u-9"]
    assert consumer.look(at=3.8) == 0
    assert consumer.look(at=3.9) == 1


def test_a_backlog_is_no_gap() -> None:
    consumer = Consuming()
    consumer.read(*numbered("u", 2), at=0.0)
    consumer.end = 3
    assert consumer.look(at=2.0) == 0
    consumer.read(value("free"), at=9.0)
    assert consumer.look(at=9.0) == 0
    consumer.end = 900  # what came after the timeout is not waited for
    consumer.read(value("also free"), at=9.1)
    assert consumer.look(at=9.1) == 1
    assert consumer.asked == 1


def test_a_partition_whose_end_is_not_told_holds_up_no_other() -> None:
    consumer, asked = Consuming(), []
    consumer.read(*numbered("u", 2), at=0.0)
    consumer.partitions.assign([OTHERS])
    consumer.key = OTHERS
    consumer.place()

    def ask(key: Key) -> int | None:
        asked.append(key)
        return None if key == EVENTS else consumer._ask(key)

    consumer.rounds._ask_end = ask
    assert consumer.look(at=2.0) == 0
    consumer.read(*numbered("v", 2), at=2.1)
    assert consumer.look(at=4.1) == 1
    assert asked == [EVENTS, OTHERS]
    assert consumer.look(at=2.0 + ASK_AGAIN_S) == 0
    assert asked[2:] == [EVENTS]
    assert waiting() == ["u-2"]


def test_a_gap_to_which_a_retry_leads_was_decided_meanwhile() -> None:
    consumer = Consuming()
    consumer.read(value("u-1", seq=1, fails=1), *numbered("u", 3, 5), at=0.0)
    consumer.read(*numbered("other", 2), at=0.0)
    assert consumer.look(at=2.0) == 1
    retry_all()
    assert waiting() == ["u-3", "u-5"]
    assert consumer.look(at=2.5) == 2
    assert (consumer.asked, applied()) == (1, [1, 3, 5])


def test_behind_a_failing_event_the_gaps_wait_for_its_retry(settings: Settings) -> None:
    settings.RETRY_BACKOFF_MS = 60_000
    consumer = Consuming()
    consumer.read(value("u-2", seq=2, fails=1), *numbered("u", 4), at=0.0)
    assert consumer.look(at=2.0) == 1
    assert column("SELECT next_seq FROM processing_lane") == [2]
    assert statuses() == {"u-2": ("retrying", 1), "u-4": ("held", 0)}
    retry_all()
    assert consumer.look(at=2.5) == 1
    assert applied() == [2, 4]


def test_a_clock_of_the_database_that_was_ahead_makes_nobody_wait() -> None:
    consumer = Consuming()
    consumer.read(*numbered("u", 2), at=0.0)
    column("UPDATE processing_inboxevent SET received_at = now() + interval '1 year' RETURNING id")
    column("UPDATE processing_lane SET waiting_since = now() + interval '1 year' RETURNING user_id")
    assert consumer.look(at=2.0) == 1
    assert column("SELECT waited_ms FROM processing_passedgap") == [0]


def test_an_event_of_an_earlier_log_is_as_old_as_the_consumers_hold_on_its_partition() -> None:
    consumer = Consuming()
    consumer.place(start=500)
    consumer.read(*numbered("u", 2), at=0.0)
    later = Consuming()
    later.place(start=0, generation=2)  # the topic was deleted and made again
    assert later.look(at=1.9) == 0
    assert later.look(at=2.0) == 1
    assert consumer.look(at=9.0) == 0, "the one that lost the partition to it decides nothing"


def test_who_lost_a_partition_decides_nothing_of_it() -> None:
    consumer = Consuming()
    consumer.read(*numbered("u", 2), at=0.0)
    consumer.partitions.revoke([EVENTS])
    assert consumer.look(at=2.0) == 0
    assert Consuming(OTHERS).look(at=2.0) == 0


def test_a_lane_that_was_set_back_waits_anew() -> None:
    consumer = Consuming()
    consumer.read(*numbered("u", 1, 2, 5), at=0.0)
    assert consumer.look(at=2.0) == 1
    consumer.read(*numbered("u", 9), at=2.0)
    set_lane("u", 3, replay=False, actor="ada")
    assert consumer.look(at=99.0) == 0
    column("UPDATE processing_lane SET waiting_since = waiting_since - interval '2 seconds' RETURNING user_id")
    assert consumer.look(at=99.1) > 0
    assert applied() == [1, 2, 5, 9]


def test_before_an_event_of_a_file_a_gap_is_not_the_consumers() -> None:
    consumer = Consuming()
    run = imports.start("a.jsonl")
    batch = Batch()
    batch.add(Message(None, None, 1, None, value("of the file", seq=4), run))
    process_batch(batch.arrivals, [], comes_again=False)
    consumer.read(*numbered("u", 6), at=0.0)
    assert consumer.look(at=2.0) == 0
    consumer.read(*numbered("u", 2), at=0.0)
    assert consumer.look(at=2.5) == 1
    assert waiting() == ["of the file", "u-6"]
