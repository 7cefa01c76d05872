"""Clients of Kafka and their settings: the one module of `processing` that knows how to reach it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, TypeVar

import structlog
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic
from django.conf import settings

from processing.domain.families import own_topics
from processing.domain.topic_states import copies_of_new_topic
from processing.kafka import troubles

ADMIN_TIMEOUT_S = 10
ACK_TIMEOUT_MS = 5_000
AGAIN_AFTER_S = 0.1
METADATA_EVERY_MS = 15_000  # added partitions, or a topic made again, are seen after this: read within 30 s
SYSLOG_CRITICAL = 2
QUEUED_KBYTES = 16_384  # fetched and not yet polled; bounds memory whatever the backlog
DEFAULT_COPIES = "default.replication.factor"

T = TypeVar("T")

log = structlog.get_logger(__name__)


def client_config() -> dict[str, Any]:
    """What every client needs. Errors come by callback or exception; librdkafka's own lines would fill the log."""
    return {
        "log_level": SYSLOG_CRITICAL,
        "reconnect.backoff.ms": 200,
        "reconnect.backoff.max.ms": 2_000,
        **settings.KAFKA_CLIENT_CONFIG,
    }


def admin_config() -> dict[str, Any]:
    """A client that asks and makes; `troubles.explained` polls it for causes."""
    return {**client_config(), "error_cb": troubles.note}


def consumed_topics() -> list[str]:
    """The topics that the group reads by default: that of all events, and those of families."""
    return [settings.KAFKA_EVENTS_TOPIC, *own_topics()]


def producer_config() -> dict[str, Any]:
    """A producer that acknowledges a message once all in-sync replicas have it, each once."""
    return {
        **client_config(),
        "error_cb": troubles.note,
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
    """Make the topics that are missing. Raises `KafkaTrouble` when the cluster refuses or cannot be reached."""
    names = list(names)
    admin = AdminClient(admin_config())
    with troubles.explained(admin, topic=", ".join(names)):
        cluster = admin.list_topics(timeout=timeout_s)
    missing = [name for name in names if name not in cluster.topics]
    if not missing:
        return
    copies = _copies_of_new_topic(admin, list(cluster.brokers), timeout_s)
    topics = [NewTopic(name, settings.KAFKA_TOPIC_PARTITIONS, copies) for name in missing]
    for name, made in admin.create_topics(topics, request_timeout=timeout_s).items():
        try:
            with troubles.explained(admin, topic=f"{name}, which is missing or hidden from it"):
                made.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # another process was first
                raise
        else:
            log.info("made a topic", topic=name, partitions=settings.KAFKA_TOPIC_PARTITIONS, copies=copies)


def _copies_of_new_topic(admin: AdminClient, brokers: list[int], timeout_s: float) -> int:
    wanted: int | None = settings.KAFKA_TOPIC_REPLICATION
    clusters = None if wanted is not None or not brokers else _default_copies(admin, brokers[0], timeout_s)
    return copies_of_new_topic(len(brokers), clusters, wanted)


def _default_copies(admin: AdminClient, broker: int, timeout_s: float) -> int | None:
    resource = ConfigResource(ConfigResource.Type.BROKER, str(broker))
    answer = admin.describe_configs([resource], request_timeout=timeout_s)[resource]
    return number_of(answer, DEFAULT_COPIES, time.monotonic() + timeout_s)


def number_of(config: Future[Mapping[str, Any]], name: str, deadline: float) -> int | None:
    """A number of a broker's or a topic's configuration; None when it is not told: that takes a right of its own,
    DESCRIBE_CONFIGS, which nothing else here needs."""
    try:
        entry = result_of(config, deadline).get(name)
    except KafkaException:
        return None
    return None if entry is None or entry.value is None else int(entry.value)


def result_of(answer: Future[T], deadline: float) -> T:
    """Raises `KafkaException`, also when there is none in time (time.monotonic()); librdkafka may be a little late."""
    try:
        return answer.result(max(0.1, deadline + 0.5 - time.monotonic()))
    except FutureTimeoutError as error:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "no answer in time")) from error


def asked_again(question: Callable[[float], T], timeout_s: float) -> T:
    """What `question` returns, which is told the seconds that it has. One that breaks off is asked again, as librdkafka
    does with metadata only: a broker that goes is no answer of the cluster's. Raises the last `KafkaException`."""
    deadline = time.monotonic() + timeout_s
    left_s = timeout_s
    while True:
        try:
            return question(left_s)
        except KafkaException as error:
            left_s = deadline - time.monotonic() - AGAIN_AFTER_S
            if error.args[0].code() not in troubles.BROKEN_OFF or left_s <= 0:
                raise
        time.sleep(AGAIN_AFTER_S)


def partition_counts() -> dict[str, int | None]:
    """The number of partitions of each topic of the cluster; None while the cluster cannot say."""
    topics = AdminClient(client_config()).list_topics(timeout=ADMIN_TIMEOUT_S).topics
    return {name: None if topic.error else len(topic.partitions) for name, topic in topics.items()}
