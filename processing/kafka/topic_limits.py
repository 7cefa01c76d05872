"""How large a message a topic takes."""

from __future__ import annotations

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource

from processing.kafka.clients import client_config

NAME = "max.message.bytes"
TIMEOUT_S = 5.0


def max_message_bytes(topic: str) -> int | None:
    """Of a batch of the topic's messages, compressed and framed; None where the cluster does not tell: that takes a
    right of its own, DESCRIBE_CONFIGS. Raises `KafkaException` when it does not answer."""
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    admin = AdminClient(client_config())
    try:
        entry = admin.describe_configs([resource], request_timeout=TIMEOUT_S)[resource].result().get(NAME)
    except KafkaException as error:
        if error.args[0].code() < 0:  # librdkafka's own codes: no broker has answered
            raise
        return None
    return None if entry is None or entry.value is None else int(entry.value)
