"""EVENT_MAX_BYTES over what the topic takes."""

from __future__ import annotations

import secrets

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from tests.pipeline.http_client import Answer, ask, post
from tests.pipeline.stack import Stack, only_on_real_kafka
from tests.pipeline.test_slow_clients import start

TAKES = 50_000
SAID = "EVENT_MAX_BYTES is more than the topic takes"
ANSWER_S = 20

pytestmark = pytest.mark.pipeline


def let_topic_take(stack: Stack, size: int) -> None:
    change = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, stack.topic.name, incremental_configs=[change])
    admin = AdminClient({"bootstrap.servers": stack.kafka})  # its answers end with it
    admin.incremental_alter_configs([resource])[resource].result(ANSWER_S)
    asked = ConfigResource(ConfigResource.Type.TOPIC, stack.topic.name)

    def broker_knows() -> bool:
        told = admin.describe_configs([asked])[asked].result(ANSWER_S)
        return str(told["max.message.bytes"].value) == str(size)

    stack.wait_until(broker_knows, "the broker has it from the controller")


def event(size: int) -> dict[str, object]:
    """One that no compression makes smaller."""
    return {"userId": "u", "type": "t", "payload": {"text": secrets.token_hex(size // 2)}}


def sent(stack: Stack, port: int, size: int) -> Answer:
    return post(port, "/events", event(size))


@pytest.fixture
def port(stack: Stack) -> int:
    let_topic_take(stack, TAKES)
    port = start(stack, RATE_LIMIT_PER_USER="0")
    stack.wait_until(lambda: SAID in stack.processes[0].output(), "it is said at the start")
    return port


def test_what_the_topic_does_not_take_is_refused_with_the_real_limit(stack: Stack, port: int) -> None:
    answer = sent(stack, port, TAKES)
    assert (answer.status, "at most 45904 are allowed" in answer.json()["error"]) == (413, True)
    assert ask(port, f"/events/{answer.json()['eventId']}").json()["status"] == "invalid"
    assert sent(stack, port, 45_000).status == 202


@only_on_real_kafka("the embedded broker takes messages of any size")
def test_small_events_together_are_not_more_than_it_takes(stack: Stack, port: int) -> None:
    answer = post(port, "/events/batch", {"events": [event(1_000) for _ in range(300)]})
    assert (answer.status, {each["status"] for each in answer.json()["results"]}) == (202, {"accepted"})


@only_on_real_kafka("the embedded broker takes messages of any size")
def test_a_limit_that_was_lowered_is_learned_from_the_first_refusal(stack: Stack, port: int) -> None:
    assert sent(stack, port, 30_000).status == 202
    let_topic_take(stack, 20_000)
    answers: list[Answer] = []

    def refused() -> bool:
        answers.append(sent(stack, port, 30_000))
        return answers[-1].status == 413

    stack.wait_until(refused, "it is refused for good")
    assert {each.status for each in answers[:-1]} <= {503}
    assert "at most 15904 are allowed" in answers[-1].json()["error"]
    assert sent(stack, port, 15_000).status == 202
