"""Gaps, as a consumer passes them once the log has been read far enough."""

from __future__ import annotations

from collections.abc import Iterator

from confluent_kafka import Consumer

from processing.consumer.added_partitions import AddedPartitions
from processing.consumer.batch import Batch
from processing.consumer.gaps import GapRounds
from processing.consumer.partitions import Key, Partition, Partitions
from processing.domain.lanes import PassableGaps
from processing.domain.messages import Message
from processing.domain.outcomes import BatchResult
from processing.engine import release
from processing.engine.after_commit import after_commit
from processing.engine.process_batch import process_batch
from processing.engine.release import ReadyLanes
from processing.models import InboxEvent, Lane, PartitionPosition
from processing.postgres.inbox import WAITING_STATUSES
from tests.support.batches import column, value

EVENTS, OTHERS = ("events", 0), ("events", 1)
TIMEOUT_S = 2.0


def pass_gap(user: str) -> int:
    """Pass the gap before the first event that waits in the user's lane, and release the lane; returns 1 if so."""
    front = Lane.objects.get(user_id=user).next_seq
    waiting = InboxEvent.objects.filter(user_id=user, seq__gt=front, status__in=WAITING_STATUSES).order_by("seq")
    first = waiting[0].seq
    assert first is not None
    return release.pass_gaps([PassableGaps(user, front, first)])


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
        if result.count("held"):
            self.rounds.note_held(batch)

    def look(self, at: float) -> int:
        """One look, and all turns of the lanes that it finds; returns how many gaps were passed."""
        self.ready.add_passable(self.rounds.look(at, self.ready.passable()))
        results = list(self.turns())
        self.results += results
        return sum(result.count("passed gaps") for result in results)

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
