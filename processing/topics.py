"""A topic that is missing is made by the process that needs it first."""

from __future__ import annotations

from collections.abc import Iterable

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic
from django.conf import settings

TIMEOUT_S = 4.0


def ensure_topics(names: Iterable[str], timeout_s: float = TIMEOUT_S) -> None:
    """Make those topics that are not there. Raises `KafkaException` when Kafka does not answer in time."""
    client = AdminClient({**settings.KAFKA_CLIENT_CONFIG, "socket.timeout.ms": int(timeout_s * 1000)})
    there = client.list_topics(timeout=timeout_s).topics
    missing = [name for name in names if name not in there]
    if not missing:
        return
    topics = [NewTopic(name, settings.KAFKA_TOPIC_PARTITIONS, -1) for name in missing]
    for future in client.create_topics(topics, request_timeout=timeout_s).values():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # another process was first
                raise
