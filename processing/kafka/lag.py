"""How far the consumer group is behind: committed offsets against the high watermarks of the partitions."""

from __future__ import annotations

import os
import threading
from functools import cache

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, TopicPartition
from django.conf import settings

from processing.domain.positions import Partition, Position
from processing.kafka.clients import asking_config, consumed_topics
from processing.kafka.troubles import NO_RIGHT, explain

TIMEOUT_S = 2.0
EXACT_TIMEOUT_S = 3.0

_lock = threading.Lock()


def group_lag(exact: bool = False) -> dict[Partition, int]:
    """Messages per (topic, partition) that the group has not committed. Raises `KafkaException`."""
    return {partition: position.lag for partition, position in group_positions(exact).items()}


def group_positions(exact: bool = False) -> dict[Partition, Position]:
    """Where the group stands, per (topic, partition). Raises `KafkaException`.

    Unless `exact`, the embedded broker's ends are too low by up to a batch: it tells where the last batch begins. For
    an exact end, the last batch is fetched.
    """
    with _lock:
        consumer = _consumer(os.getpid(), settings.KAFKA_CLIENT_CONFIG["bootstrap.servers"])
        try:
            committed = consumer.committed(_partitions(consumer), timeout=TIMEOUT_S)
            ranges = {(each.topic, each.partition): _range(consumer, each) for each in committed}
            if exact:
                ranges |= _fetched_ranges(consumer, ranges)
        except KafkaException as error:
            raise explain(_refusal(consumer) or error, group=settings.KAFKA_CONSUMER_GROUP) from error
    return {
        (each.topic, each.partition): _position(each.offset, *ranges[each.topic, each.partition]) for each in committed
    }


def _position(committed: int, low: int, high: int) -> Position:
    """Where nothing is committed the group begins with the first message that is there."""
    return Position(low, high, low if committed == OFFSET_INVALID else max(low, committed))


def _refusal(consumer: Consumer) -> KafkaError | None:
    """That this client has no right to the group: the question itself ends by a time-out."""
    message = consumer.poll(0)
    error = None if message is None else message.error()
    return error if error is not None and error.code() in NO_RIGHT else None


@cache
def _consumer(pid: int, servers: str) -> Consumer:
    """One for each process; it never joins the group."""
    return Consumer(asking_config("eventsite-lag"))


def _partitions(consumer: Consumer) -> list[TopicPartition]:
    topics = consumer.list_topics(timeout=TIMEOUT_S).topics
    names = consumed_topics()
    return [TopicPartition(name, each) for name in names if name in topics for each in topics[name].partitions]


def _range(consumer: Consumer, partition: TopicPartition) -> tuple[int, int]:
    low, high = consumer.get_watermark_offsets(partition, timeout=TIMEOUT_S)
    return low, high


def _fetched_ranges(consumer: Consumer, ranges: dict[Partition, tuple[int, int]]) -> dict[Partition, tuple[int, int]]:
    """The exact ends, found by fetching what lies behind the ends given."""
    waiting = {key: high - 1 for key, (low, high) in ranges.items() if high > low}
    found: dict[Partition, tuple[int, int]] = {}
    consumer.assign([TopicPartition(*key, offset) for key, offset in waiting.items()])
    try:
        while waiting:
            message = consumer.poll(EXACT_TIMEOUT_S)
            if message is None:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the ends of the partitions are not told"))
            error = message.error()
            if error is None:
                continue
            if error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            key = message.topic() or "", message.partition() or 0
            found[key] = ranges[key][0], message.offset() or 0
            waiting.pop(key, None)
    finally:
        consumer.unassign()
    return found
