"""What the broker says of partitions before they are read: where each log begins and ends, and what is committed."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from functools import cache
from threading import Lock

from confluent_kafka import OFFSET_INVALID, Consumer, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from django.conf import settings

from processing.domain.log_positions import LogState
from processing.domain.positions import Partition
from processing.kafka.clients import client_config

TIMEOUT_S = 5.0
EARLIEST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]

_lock = Lock()


def log_states(
    group: str, partitions: Collection[Partition], topic_ids: Mapping[str, str]
) -> dict[Partition, LogState]:
    """The state of each partition's log, open transactions included. Raises `KafkaException`.

    An end may be too low by less than the last batch of the log (the embedded broker's is); see `with_exact_ends`.
    """
    low, high = (_offsets(partitions, which) for which in (EARLIEST, LATEST))
    with _lock:
        answers = _consumer(group).committed([TopicPartition(*each) for each in partitions], timeout=TIMEOUT_S)
    for answer in answers:
        if answer.error is not None:
            raise KafkaException(answer.error)
    committed = {(each.topic, each.partition): each.offset for each in answers if each.offset != OFFSET_INVALID}
    return {
        key: LogState(topic_ids.get(key[0], ""), low[key], max(high[key], low[key]), committed.get(key))
        for key in partitions
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


def _offsets(partitions: Collection[Partition], which: OffsetSpec) -> dict[Partition, int]:
    asked = _admin(os.getpid(), _servers()).list_offsets(
        {TopicPartition(*each): which for each in partitions},
        isolation_level=IsolationLevel.READ_UNCOMMITTED,
        request_timeout=TIMEOUT_S,
    )
    return {(each.topic, each.partition): int(answer.result(TIMEOUT_S * 2).offset) for each, answer in asked.items()}


def _consumer(group: str) -> Consumer:
    return _consumer_of(os.getpid(), _servers(), group)


def _servers() -> str:
    return str(settings.KAFKA_CLIENT_CONFIG["bootstrap.servers"])


@cache
def _admin(pid: int, servers: str) -> AdminClient:
    return AdminClient(client_config())


@cache
def _consumer_of(pid: int, servers: str, group: str) -> Consumer:
    """One for each process and group; it never joins the group."""
    return Consumer(
        {
            **client_config(),
            "group.id": group,
            "client.id": "eventsite-log-state",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_uncommitted",
            "fetch.wait.max.ms": 100,
            "auto.offset.reset": "error",
        }
    )
