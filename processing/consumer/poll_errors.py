"""What the errors that a poll brings mean: which pass while polling goes on, and which end the process."""

from __future__ import annotations

import structlog
from confluent_kafka import KafkaError
from django.conf import settings

from processing.kafka.troubles import BROKEN_OFF, note, reason

# Errors that pass while polling goes on, beside the retriable ones. _MAX_POLL_EXCEEDED comes after minutes frozen.
PASSING = (
    KafkaError._ALL_BROKERS_DOWN,
    *BROKEN_OFF,
    KafkaError._TIMED_OUT,
    KafkaError._RESOLVE,
    KafkaError._AUTHENTICATION,
    KafkaError._SSL,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError._MAX_POLL_EXCEEDED,
    KafkaError.UNKNOWN_TOPIC_OR_PART,  # `placing` makes it again
)
# Rights may be given while the process runs.
REFUSED = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED)

log = structlog.get_logger(__name__)


class SettingRefused(Exception):
    """The cluster cannot work with a setting of ours; the text names it, its value, and what is allowed."""


def passes(error: KafkaError) -> bool:
    return bool(error.retriable()) or error.code() in PASSING


def refused_setting(error: KafkaError) -> SettingRefused | None:
    if error.code() == KafkaError._FATAL and "ConsumerGroupHeartbeat" in error.str():
        return SettingRefused(
            "KAFKA_GROUP_PROTOCOL='consumer' cannot be used: this cluster does not have it (KIP-848). "
            "Allowed is classic, or turn it on in the cluster"
        )
    if error.code() == KafkaError.INVALID_SESSION_TIMEOUT:
        return SettingRefused(
            f"KAFKA_SESSION_TIMEOUT_MS='{settings.KAFKA_SESSION_TIMEOUT_MS}' cannot be used: allowed is what lies "
            "between the cluster's group.min.session.timeout.ms (6000 by default) and group.max.session.timeout.ms"
        )
    return None


def tell(error: KafkaError) -> None:
    """What librdkafka says beside its answers."""
    note(error)
    log.warning("Kafka client", error=reason(error))
