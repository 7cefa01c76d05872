"""Open transactions of other producers: what stands behind the first record of one is read only when it ends.

The log of a partition ends at its high watermark; readers of what is committed come to its last stable offset only.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from confluent_kafka import (
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from django.conf import settings

from processing.domain.positions import Partition
from processing.kafka.clients import asking_config, consumed_topics

TIMEOUT_S = 2.0
NO_PARTITION = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION)

_lock = threading.Lock()


@dataclass(frozen=True)
class OpenTransaction:
    """It holds up a partition at `offset`. `since` is the time that its first record has, None if it is not told."""

    topic: str
    partition: int
    offset: int
    since: datetime | None

    def held_up_s(self, now: datetime) -> float | None:
        return None if self.since is None else max(0.0, (now - self.since).total_seconds())


def open_transactions(partitions: Collection[Partition] | None = None) -> list[OpenTransaction]:
    """Those that hold up one of these partitions, by default of all that the group reads. Raises `KafkaException`."""
    asked = _all_partitions() if partitions is None else partitions
    # in this order: an end that moves in between is taken for no transaction
    ends = _ends(asked, "read_uncommitted")
    stable = _ends(list(ends), "read_committed")
    held_up = {key: offset for key, offset in stable.items() if offset < ends[key]}
    times = _times(held_up) if held_up else {}
    return [OpenTransaction(*key, offset, times.get(key)) for key, offset in sorted(held_up.items())]


def _all_partitions() -> list[Partition]:
    topics = _asker(*_here(), "read_committed").list_topics(timeout=TIMEOUT_S).topics
    return [(name, each) for name in consumed_topics() if name in topics for each in topics[name].partitions]


def _ends(keys: Collection[Partition], isolation: str) -> dict[Partition, int]:
    """The ends of these partitions; one that is no more is left out.

    Not by `AdminClient.list_offsets`, which has been seen to end the process. Who reads what is committed is told the
    last stable offset as the high watermark.
    """
    consumer = _asker(*_here(), isolation)
    found: dict[Partition, int] = {}
    for key in keys:
        try:
            _, found[key] = consumer.get_watermark_offsets(TopicPartition(*key), timeout=TIMEOUT_S)
        except KafkaException as error:
            if error.args[0].code() not in NO_PARTITION:
                raise
    return found


def _times(offsets: Mapping[Partition, int]) -> dict[Partition, datetime]:
    """When the records at these offsets were made, committed or not; those that do not come in time are left out."""
    found: dict[Partition, datetime] = {}
    waiting = set(offsets)
    with _lock:
        consumer = _consumer(*_here())
        consumer.assign([TopicPartition(*key, offset) for key, offset in offsets.items()])
        try:
            deadline = time.monotonic() + TIMEOUT_S
            while waiting and (left := deadline - time.monotonic()) > 0:
                message = consumer.poll(left)
                if message is None or message.error() is not None:
                    continue
                key = message.topic() or "", message.partition() or 0
                kind, ms = message.timestamp()
                if key in waiting and message.offset() == offsets[key] and kind != TIMESTAMP_NOT_AVAILABLE:
                    found[key] = datetime.fromtimestamp(ms / 1000, UTC)
                waiting.discard(key)
        finally:
            consumer.unassign()
    return found


def _here() -> tuple[int, str]:
    return os.getpid(), settings.KAFKA_CLIENT_CONFIG["bootstrap.servers"]


@cache
def _asker(pid: int, servers: str, isolation: str) -> Consumer:
    """One for each process and level of isolation; it never joins the group."""
    return Consumer({**asking_config("eventsite-open-transactions"), "isolation.level": isolation})


@cache
def _consumer(pid: int, servers: str) -> Consumer:
    """One for each process, made when the first open transaction is found; it never joins the group."""
    return Consumer(asking_config("eventsite-open-transactions"))
