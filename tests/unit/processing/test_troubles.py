"""Kafka's troubles in one line: the cause that comes apart from the failure, what it concerns, and no secret."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from processing.kafka import troubles

REFUSED = "sasl_ssl://b:9093/1: SASL authentication error: Authentication failed (after 310ms in state AUTH_REQ)"


@pytest.fixture(autouse=True)
def _nothing_told() -> Iterator[None]:
    troubles.forget()
    yield
    troubles.forget()


def failure(code: int, text: str) -> KafkaException:
    return KafkaException(KafkaError(code, text))


def test_a_transport_failure_is_told_with_its_cause_and_topic() -> None:
    troubles.note(KafkaError(KafkaError._TRANSPORT, "Disconnected"))
    troubles.note(KafkaError(KafkaError._AUTHENTICATION, REFUSED))
    troubles.note(KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down"))
    line = troubles.reason(failure(KafkaError._TIMED_OUT, "no answer"), topic="events")
    assert (
        line == "Kafka: sasl_ssl://b:9093/1: SASL authentication error: Authentication failed; no answer (topic events)"
    )


def test_a_broker_s_handle_that_librdkafka_made_anew_is_no_cause() -> None:
    troubles.note(KafkaError(KafkaError._TRANSPORT, "Connection refused"))
    assert (
        troubles.reason(KafkaError(KafkaError._DESTROY_BROKER, "destroyed")) == "Kafka: Connection refused; destroyed"
    )


def test_a_failure_with_a_cause_of_its_own_gets_no_other() -> None:
    troubles.note(KafkaError(KafkaError._AUTHENTICATION, REFUSED))
    assert troubles.reason(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE, "too large")) == "Kafka: too large"


def test_what_was_told_before_kafka_answered_explains_nothing() -> None:
    troubles.note(KafkaError(KafkaError._SSL, "certificate verify failed"))
    troubles.forget()
    assert troubles.reason(KafkaError(KafkaError._TIMED_OUT, "no answer")) == "Kafka: no answer"


def test_a_missing_right_names_who_lacks_it(settings: Any) -> None:
    settings.KAFKA_CLIENT_CONFIG = {"sasl.username": "app"}
    line = troubles.reason(KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED, "Group authorization failed"), group="g")
    assert line == "Kafka: Group authorization failed; the cluster's ACLs do not allow it to user app (group g)"


def test_it_is_explained_once() -> None:
    explained = troubles.explain(failure(KafkaError.TOPIC_AUTHORIZATION_FAILED, "no"), topic="events")
    assert troubles.reason(explained, topic="others") == str(explained)


def test_no_secret_of_the_settings_is_told(settings: Any) -> None:
    settings.KAFKA_CLIENT_CONFIG = {"sasl.username": "app", "sasl.password": "s3cr+t", "ssl.key.location": "/k"}
    assert troubles.reason(KafkaError(KafkaError._SSL, "at /k: 's3cr+t' of app")) == "Kafka: at /k: '***' of app"
