"""From polled messages to a batch: readable messages become arrivals, the others poisons. No service is touched."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError
from confluent_kafka import Message as KafkaMessage
from django.conf import settings
from msgspec.structs import replace

from processing import tracing
from processing.consumer.partitions import Partition, Partitions
from processing.domain.cloudevents import find_headers
from processing.domain.envelope import MIN_BARE_MS
from processing.domain.log_positions import PositionMove
from processing.domain.messages import Arrival, Message, Poison, may_be_cloudevent, read_message
from processing.domain.traces import find_traceparent


@dataclass
class Batch:
    """A piece of the log, in order. `positions`: the offset after the last of it, by partition.

    `read_at`: when the last of it was read, of `time.monotonic`. `max_bytes`: of a message.
    """

    arrivals: list[Arrival] = field(default_factory=list)
    poisons: list[Poison] = field(default_factory=list)
    positions: dict[Partition, int] = field(default_factory=dict)
    read_at: float = field(default_factory=time.monotonic)
    max_bytes: int = field(default_factory=lambda: int(settings.EVENT_MAX_BYTES))

    def __len__(self) -> int:
        return len(self.arrivals) + len(self.poisons)

    def add(self, message: Message) -> None:
        """Read a message, and append its arrival or poison."""
        self.put(read_message(message, self.max_bytes))

    def put(self, outcome: Arrival | Poison) -> None:
        if isinstance(outcome, Arrival):
            self.arrivals.append(outcome)
        else:
            self.poisons.append(outcome)

    def ids(self) -> list[str]:
        return [arrival.event.id for arrival in self.arrivals]

    def moves(self) -> list[PositionMove]:
        """What its transaction does to the stored positions; nothing where they say as much already."""
        return [
            PositionMove(*partition.key, partition.generation, offset, max(offset, partition.fetched_end))
            for partition, offset in self.positions.items()
            if partition.generation is not None and offset != partition.stored
        ]

    def without_revoked(self) -> Batch:
        """The batch without partitions that have gone to another consumer."""
        lost = {partition.key for partition in self.positions if partition.revoked}
        if not lost:
            return self
        return Batch(
            [a for a in self.arrivals if (a.message.topic, a.message.partition) not in lost],
            [p for p in self.poisons if (p.message.topic, p.message.partition) not in lost],
            {partition: offset for partition, offset in self.positions.items() if not partition.revoked},
            self.read_at,
        )


def read_messages(messages: Iterable[KafkaMessage], partitions: Partitions, batch: Batch) -> Batch:
    """The batch with these polled messages, and end-of-partition marks, of assigned partitions behind what it has. The
    caller has removed other errors."""
    batch.read_at = time.monotonic()
    traced = tracing.is_on()
    key, partition = None, None
    first: dict[Partition, int] = {}  # when Kafka got it, Unix ms
    for polled in messages:
        error = polled.error()
        topic, number, offset = position_of(polled)
        if key != (topic, number):  # a poll has few partitions, each in one piece
            key = (topic, number)
            partition = partitions.find(key)
        if partition is None:  # revoked within the poll that brought it
            continue
        if error is not None:
            assert error.code() == KafkaError._PARTITION_EOF
            batch.positions[partition] = partition.polled = offset
            continue
        batch.positions[partition] = partition.polled = offset + 1
        _, at = polled.timestamp()
        if at < MIN_BARE_MS:  # none, or no ms: some producers write seconds
            at = 0
        first.setdefault(partition, at)
        message = Message(topic, number, offset, polled.key(), polled.value(), written_at=at or None)
        batch.put(_read(polled, message, batch.max_bytes, traced=traced))
    for partition, at in first.items():
        partition.note_in_hand(batch.positions[partition], at)
    return batch


def _read(polled: KafkaMessage, message: Message, max_bytes: int, *, traced: bool) -> Arrival | Poison:
    """Headers cost more than all the rest of a message: only what may be a CloudEvent is asked for them, and what may
    belong to a trace."""
    all_headers = _headers_of(polled) if traced else None
    if traced:
        message = replace(message, traceparent=find_traceparent(all_headers))
    outcome = read_message(message, max_bytes)
    if may_be_cloudevent(outcome) and (headers := find_headers(all_headers if traced else _headers_of(polled))):
        return read_message(replace(message, headers=headers))
    return outcome


def _headers_of(polled: KafkaMessage) -> Any:
    """Asked for once: where a name is no UTF-8 the client fails, and has no second answer that could be looked at."""
    try:
        return polled.headers()
    except (SystemError, UnicodeDecodeError):
        return None


def position_of(polled: KafkaMessage) -> tuple[str, int, int]:
    """Topic, partition and offset; a polled message and an end-of-partition mark have all three."""
    topic, partition, offset = polled.topic(), polled.partition(), polled.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    return topic, partition, offset
