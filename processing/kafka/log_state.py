"""What the broker says of partitions before they are read: where each log begins and ends, and what is committed."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from functools import cache
from threading import Lock

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, TopicPartition
from django.conf import settings

from processing.domain.log_positions import LogState
from processing.domain.positions import Partition
from processing.kafka.clients import asking_config

TIMEOUT_S = 5.0

_lock = Lock()


def log_states(
    group: str, partitions: Collection[Partition], topic_ids: Mapping[str, str]
) -> dict[Partition, LogState]:
    """The state of each partition's log, open transactions included. Raises `KafkaException`.

    An end may be too low by less than the last batch of the log (the embedded broker's is); see `with_exact_ends`.
    """
    with _lock:
        consumer = _consumer(group)
        ends = {key: _watermarks(consumer, key) for key in partitions}
        answers = consumer.committed([TopicPartition(*each) for each in partitions], timeout=TIMEOUT_S)
    for answer in answers:
        if answer.error is not None:
            raise KafkaException(answer.error)
    committed = {(each.topic, each.partition): each.offset for each in answers if each.offset != OFFSET_INVALID}
    return {
        key: LogState(topic_ids.get(key[0], ""), low, max(high, low), committed.get(key))
        for key, (low, high) in ends.items()
    }


def with_exact_ends(group: str, logs: Mapping[Partition, LogState]) -> dict[Partition, LogState]:
    """These, with the end that a fetch of the last batch tells. Raises `KafkaException`."""
    waiting = {key: log.end - 1 for key, log in logs.items() if log.end > log.low}
    found = dict(logs)
    with _lock:
        consumer = _consumer(group)
        consumer.assign([TopicPartition(*key, offset) for key, offset in waiting.items()])
        try:
            while waiting:
                key, end = _next_end(consumer)
                if waiting.pop(key, None) is not None:
                    log = found[key]
                    found[key] = LogState(log.topic_id, log.low, max(log.end, end), log.committed)
        finally:
            consumer.unassign()
    return found


def _next_end(consumer: Consumer) -> tuple[Partition, int]:
    while True:
        message = consumer.poll(TIMEOUT_S)
        if message is None:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the ends of the partitions are not told"))
        error = message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            raise KafkaException(error)
        if error is not None:
            return (message.topic() or "", message.partition() or 0), message.offset() or 0


def _watermarks(consumer: Consumer, key: Partition) -> tuple[int, int]:
    """Where a partition begins and ends: not by `AdminClient.list_offsets`, which has been seen to end the process."""
    low, high = consumer.get_watermark_offsets(TopicPartition(*key), timeout=TIMEOUT_S)
    return int(low), int(high)


def _consumer(group: str) -> Consumer:
    return _consumer_of(os.getpid(), _servers(), group)


def _servers() -> str:
    return str(settings.KAFKA_CLIENT_CONFIG["bootstrap.servers"])


@cache
def _consumer_of(pid: int, servers: str, group: str) -> Consumer:
    """One for each process and group; it never joins the group."""
    return Consumer({**asking_config("eventsite-log-state", group), "auto.offset.reset": "error"})
