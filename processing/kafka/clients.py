"""Clients of Kafka and their settings: the one module of `processing` that knows how to reach it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic
from django.conf import settings

from processing.domain.families import own_topics

ADMIN_TIMEOUT_S = 10
ACK_TIMEOUT_MS = 5_000
METADATA_EVERY_MS = 15_000  # added partitions, or a topic made again, are seen after this: read within 30 s
SYSLOG_CRITICAL = 2
QUEUED_KBYTES = 16_384  # fetched and not yet polled; bounds memory whatever the backlog

log = structlog.get_logger(__name__)


def client_config() -> dict[str, Any]:
    """What every client needs. Errors come by callback or exception; librdkafka's own lines would fill the log."""
    return {
        "log_level": SYSLOG_CRITICAL,
        "reconnect.backoff.ms": 200,
        "reconnect.backoff.max.ms": 2_000,
        **settings.KAFKA_CLIENT_CONFIG,
    }


def consumed_topics() -> list[str]:
    """The topics that the group reads by default: that of all events, and those of families."""
    return [settings.KAFKA_EVENTS_TOPIC, *own_topics()]


def producer_config() -> dict[str, Any]:
    """A producer that acknowledges a message once all in-sync replicas have it, each once."""
    return {
        **client_config(),
        "acks": "all",
        "enable.idempotence": True,
        "partitioner": "murmur2_random",  # as Java's and Node's clients place a key
        "delivery.timeout.ms": ACK_TIMEOUT_MS,
        "linger.ms": 5,
    }


def consumer_config(group: str, on_error: Callable[[KafkaError], None]) -> dict[str, Any]:
    """A consumer that commits by hand and is told when it has reached the end of a partition."""
    config = {
        **client_config(),
        "group.id": group,
        "group.protocol": settings.KAFKA_GROUP_PROTOCOL,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",  # `consumer.placing` decides where to begin, and tells what is gone
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 100,
        "topic.metadata.refresh.interval.ms": METADATA_EVERY_MS,
        "queued.max.messages.kbytes": QUEUED_KBYTES,
        "error_cb": on_error,
    }
    if settings.KAFKA_GROUP_PROTOCOL == "classic":  # with KIP-848 the broker decides
        config |= {
            "session.timeout.ms": settings.KAFKA_SESSION_TIMEOUT_MS,
            "heartbeat.interval.ms": min(1_000, settings.KAFKA_SESSION_TIMEOUT_MS // 3),
        }
    return config


def asking_config(name: str, group: str | None = None) -> dict[str, Any]:
    """A client that asks where the log ends, open transactions included; it never joins the group."""
    return {
        **client_config(),
        "group.id": group or settings.KAFKA_CONSUMER_GROUP,
        "client.id": name,
        "isolation.level": "read_uncommitted",  # else the log would end before the first open transaction
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 100,
        "auto.offset.reset": "latest",
    }


def ensure_topics(names: Iterable[str], timeout_s: float = ADMIN_TIMEOUT_S) -> None:
    """Make the topics that are missing. Raises `KafkaException` when the cluster refuses or cannot be reached."""
    admin = AdminClient(client_config())
    known = admin.list_topics(timeout=timeout_s).topics
    missing = [name for name in names if name not in known]
    if not missing:
        return
    topics = [NewTopic(name, num_partitions=settings.KAFKA_TOPIC_PARTITIONS) for name in missing]
    for name, made in admin.create_topics(topics, request_timeout=timeout_s).items():
        try:
            made.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # another process was first
                raise
        else:
            log.info("made a topic", topic=name, partitions=settings.KAFKA_TOPIC_PARTITIONS)


def partition_counts() -> dict[str, int | None]:
    """The number of partitions of each topic of the cluster; None while the cluster cannot say."""
    topics = AdminClient(client_config()).list_topics(timeout=ADMIN_TIMEOUT_S).topics
    return {name: None if topic.error else len(topic.partitions) for name, topic in topics.items()}
