"""What the consumers have not read yet, told exactly by any broker: by reading on from where they stand."""

from __future__ import annotations

from collections.abc import Collection

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from django.conf import settings

Partition = tuple[str, int]


def unread_partitions(timeout_s: float) -> set[Partition]:
    """The partitions that hold messages beyond the group's committed offsets.

    The broker's own answer for the end of a log may be too low (Tansu's is); what a fetch says is not. Raises
    `KafkaException` when the broker does not answer in time.
    """
    consumer = Consumer(
        {
            **settings.KAFKA_CLIENT_CONFIG,
            "group.id": settings.KAFKA_CONSUMER_GROUP,  # asked for its offsets, never joined
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
    )
    try:
        positions = consumer.committed(_partitions(consumer, timeout_s), timeout_s)
        for position in positions:
            position.offset = max(position.offset, 0)  # nothing committed: from the start
        consumer.assign(positions)
        return _read_on(consumer, {(position.topic, position.partition) for position in positions}, timeout_s)
    finally:
        consumer.close()


def _partitions(consumer: Consumer, timeout_s: float) -> list[TopicPartition]:
    known = consumer.list_topics(timeout=timeout_s).topics
    ours = [known[name] for name in (settings.KAFKA_EVENTS_TOPIC, settings.KAFKA_PRODUCT_TOPIC) if name in known]
    return [TopicPartition(topic.topic, number) for topic in ours for number in topic.partitions]


def _read_on(consumer: Consumer, asked: Collection[Partition], timeout_s: float) -> set[Partition]:
    """The first thing that comes from a partition tells: a message, or its end."""
    unread, silent = set(), set(asked)
    while silent:
        message = consumer.poll(timeout_s)
        if message is None:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"no answer within {timeout_s:g} s"))
        partition = (str(message.topic()), int(message.partition() or 0))
        error = message.error()
        if error is None:
            unread.add(partition)
        elif error.code() != KafkaError._PARTITION_EOF:
            raise KafkaException(error)
        if partition in silent:
            silent.discard(partition)
            consumer.incremental_unassign([TopicPartition(*partition)])
    return unread
