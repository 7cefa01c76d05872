"""A cluster that refuses us says why, and so do we: password, rights on topic and group, the group's protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AclOperation, ResourceType

from eventsite.local.services.process import free_port
from eventsite.local.services.valkey import Valkey
from tests.pipeline.log import Record
from tests.pipeline.processes import Process
from tests.pipeline.stack import Stack
from tests.pipeline.test_event_limit import event, let_topic_take
from tests.release.kafka import (
    ENCRYPTED,
    PASSWORD,
    SecuredKafka,
    VariedKafka,
    certificate,
    needs_java,
    without_the_consumer_protocol,
)
from tests.support.factories import envelope
from tests.support.health import Health, ask_web

pytestmark = [pytest.mark.pipeline, needs_java]
SAID_WITHIN_S = 10
WRONG = "s3cret-of-nobody"


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    with SecuredKafka(tmp_path_factory.mktemp("secured") / "kafka") as service:
        yield service


@pytest.fixture
def stack(kafka: SecuredKafka, tmp_path: Path, database: str, valkey: Valkey) -> Iterator[Stack]:
    """Its test comes by the address without a password, its processes by the other one."""
    stack = Stack(tmp_path, database, valkey.address, kafka.plain_address)
    yield stack
    stack.close()


def test_a_wrong_password_is_named_as_such(stack: Stack, kafka: SecuredKafka) -> None:
    settings = kafka.environment(WRONG)
    web = stack.start("web", **settings)
    consumer = stack.start("consumer", METRICS_PORT=str(free_port()), **settings)
    stack.wait_until(lambda: ask_web(stack, "/health/live")[0] == 200, "the web server is up")
    status, told = ask_web(stack, "/health/ready")
    assert status == 503
    why = json.loads(told)["failing"]["kafka"]
    assert "SASL authentication error" in why
    assert stack.topic.name in why
    status, told = ask_web(stack, "/events", {"userId": "u", "type": "t"})
    assert status == 503
    assert "SASL authentication error" in json.loads(told)["error"]
    stack.wait_until(lambda: "SASL authentication error" in consumer.output(), "its log says it", SAID_WITHIN_S)
    assert "SASL authentication error" in Health(consumer).failing()["kafka"]
    for process in (web, consumer):
        assert WRONG not in process.output()
        assert "CONFWARN" not in process.output()


def test_a_wrong_ca_is_named_as_such(tmp_path: Path, database: str, valkey: Valkey) -> None:
    plain_port = free_port()
    own, other = certificate(tmp_path, "broker"), certificate(tmp_path, "other")
    with VariedKafka(tmp_path / "kafka", ENCRYPTED, plain_port=plain_port, certificate=own) as kafka:
        stack = Stack(tmp_path, database, valkey.address, f"127.0.0.1:{plain_port}")
        settings = {"KAFKA_BOOTSTRAP_SERVERS": kafka.address, "KAFKA_SECURITY_PROTOCOL": "SSL"}
        try:
            web = stack.start("web", **settings, KAFKA_SECURITY_SSL_CA_LOCATION=str(other))
            stack.wait_until(lambda: ask_web(stack, "/health/live")[0] == 200, "the web server is up")
            status, told = ask_web(stack, "/health/ready")
            assert status == 503
            assert "certificate verify failed" in told
            web.kill()
            stack.start("web", **settings, KAFKA_SECURITY_SSL_CA_LOCATION=str(own))
            stack.wait_until(lambda: ask_web(stack, "/health/ready")[0] == 200, "with the right one it is ready")
        finally:
            stack.close()


def test_each_missing_right_is_named_until_it_is_given(stack: Stack, kafka: SecuredKafka) -> None:
    settings = kafka.environment()
    topic, group = stack.topic.name, stack.topic.group
    stack.start("web", **settings)
    consumer = stack.start("consumer", METRICS_PORT=str(free_port()), **settings)
    health = Health(consumer)
    stack.wait_until(lambda: ask_web(stack, "/health/live")[0] == 200, "the web server is up")

    def web_lacks() -> str:
        status, told = ask_web(stack, "/health/ready")
        return "" if status == 200 else str(json.loads(told)["failing"]["kafka"])

    stack.wait_until(health.is_served, "the consumer is up")
    for why in (web_lacks(), health.failing()["kafka"]):
        assert topic in why
        assert "ACLs" in why
    for name in (topic, stack.products.name):
        kafka.allow(ResourceType.TOPIC, name, AclOperation.DESCRIBE)
    stack.wait_until(lambda: f"no right to WRITE topic {topic}" in web_lacks(), "the right to write is named")
    assert "no right to READ" in health.failing()["kafka"]
    status, told = ask_web(stack, "/events", {"userId": "u", "type": "t", "eventId": "refused"})
    assert status == 503
    assert topic in told
    for name in (topic, stack.products.name):
        kafka.allow(ResourceType.TOPIC, name, AclOperation.READ, AclOperation.WRITE)
    stack.wait_until(lambda: not web_lacks(), "the web server is ready", SAID_WITHIN_S)
    stack.wait_until(lambda: f"(group {group})" in " ".join(degraded(stack)), "the web server does not know the lag")
    stack.wait_until(lambda: group in health.failing().get("group", ""), "the group is named", 2 * SAID_WITHIN_S)
    assert f"(group {group})" in consumer.output()
    kafka.allow(ResourceType.GROUP, group, AclOperation.READ)
    stack.produce([Record(b"u", envelope("a", user_id="u"))])
    stack.wait_until(lambda: stack.count("processing_inboxevent") > 0, "it reads")
    stack.wait_until(lambda: degraded(stack) == [], "nothing is wrong")
    assert health.failing() == {}
    assert consumer.terminate() == 0
    stack.wait_until(lambda: "no consumer of group" in " ".join(degraded(stack)), "its end is told")
    assert PASSWORD not in consumer.output()


def test_without_the_right_to_ask_for_it_the_topics_limit_is_not_known(stack: Stack, kafka: SecuredKafka) -> None:
    topic = stack.topic.name
    kafka.allow(ResourceType.TOPIC, topic, AclOperation.READ, AclOperation.WRITE)
    let_topic_take(stack, 20_000)
    stack.start("web", **kafka.environment())

    def status() -> int:
        return ask_web(stack, "/events", event(30_000))[0]

    stack.wait_until(lambda: ask_web(stack, "/events", {"userId": "u", "type": "t"})[0] == 202, "the door works")
    assert [status() for _ in range(3)] == [503] * 3
    kafka.allow(ResourceType.TOPIC, topic, AclOperation.DESCRIBE_CONFIGS)
    stack.wait_until(lambda: status() == 413, "it has been told")


def test_a_cluster_without_the_consumer_protocol_is_named(tmp_path: Path, database: str, valkey: Valkey) -> None:
    with without_the_consumer_protocol(tmp_path / "kafka") as kafka:
        stack = Stack(tmp_path, database, valkey.address, kafka.address)
        try:
            consumer = _ends(stack)
        finally:
            stack.close()
    assert "KAFKA_GROUP_PROTOCOL='consumer' cannot be used" in consumer.output()
    assert "Traceback" not in consumer.output()


def degraded(stack: Stack) -> list[str]:
    status, told = ask_web(stack, "/health/ready")
    assert status == 200
    return list(json.loads(told).get("degraded", []))


def _ends(stack: Stack) -> Process:
    consumer = stack.run("python manage.py consume_kafka", ends=True, KAFKA_GROUP_PROTOCOL="consumer")
    assert consumer.wait(3 * SAID_WITHIN_S) == 1
    return consumer
