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
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec
from django.conf import settings

from processing.domain.positions import Partition
from processing.kafka.clients import asking_config, client_config, consumed_topics

TIMEOUT_S = 2.0

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
    admin = _admin(*_here())
    asked = _all_partitions(admin) if partitions is None else partitions
    # in this order: an end that moves in between is taken for no transaction
    ends = _offsets(admin, asked, IsolationLevel.READ_UNCOMMITTED)
    stable = _offsets(admin, list(ends), IsolationLevel.READ_COMMITTED)
    held_up = {key: offset for key, offset in stable.items() if offset < ends[key]}
    times = _times(held_up) if held_up else {}
    return [OpenTransaction(*key, offset, times.get(key)) for key, offset in sorted(held_up.items())]


def _all_partitions(admin: AdminClient) -> list[Partition]:
    topics = admin.list_topics(timeout=TIMEOUT_S).topics
    return [(name, each) for name in consumed_topics() if name in topics for each in topics[name].partitions]


def _offsets(admin: AdminClient, keys: Collection[Partition], level: IsolationLevel) -> dict[Partition, int]:
    """The ends of these partitions; one that is no more is left out."""
    if not keys:
        return {}
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    asked = {TopicPartition(*key): latest for key in keys}
    found: dict[Partition, int] = {}
    for each, answer in admin.list_offsets(asked, isolation_level=level, request_timeout=TIMEOUT_S).items():
        try:
            found[each.topic, each.partition] = answer.result().offset
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
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
def _admin(pid: int, servers: str) -> AdminClient:
    """One for each process."""
    return AdminClient(client_config())


@cache
def _consumer(pid: int, servers: str) -> Consumer:
    """One for each process, made when the first open transaction is found; it never joins the group."""
    return Consumer(asking_config("eventsite-open-transactions"))
