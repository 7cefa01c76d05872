"""Three brokers: how many copies a topic gets, what is said of too few, and what a lost broker does to them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient, NewTopic

from eventsite.local.services.valkey import Valkey
from tests.pipeline.stack import Stack
from tests.release.kafka import ANSWER_S, Member, needs_java, three_brokers
from tests.support.health import ask_web

pytestmark = [pytest.mark.pipeline, needs_java]
LEAST = "min.insync.replicas"


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Member]]:
    with three_brokers(tmp_path_factory.mktemp("cluster")) as members:
        yield members


@pytest.fixture
def admin(brokers: list[Member]) -> AdminClient:
    return AdminClient({"bootstrap.servers": ",".join(broker.address for broker in brokers)})


@pytest.fixture
def stack(brokers: list[Member], tmp_path: Path, database: str, valkey: Valkey) -> Iterator[Stack]:
    """On the cluster, with topics that its processes are to make."""
    stack = Stack(tmp_path, database, valkey.address, ",".join(broker.address for broker in brokers))
    for variable in ("KAFKA_EVENTS_TOPIC", "KAFKA_PRODUCT_TOPIC"):
        stack.environment[variable] += "-anew"
    yield stack
    stack.close()


def make(admin: AdminClient, stack: Stack, copies: int, least: int) -> str:
    name = stack.environment["KAFKA_EVENTS_TOPIC"]
    made = admin.create_topics([NewTopic(name, 2, copies, config={LEAST: str(least)})])
    made[name].result(ANSWER_S)
    return name


def copies(admin: AdminClient, name: str) -> int:
    told = admin.describe_topics(TopicCollection([name]))[name].result(ANSWER_S)
    return min(len(partition.replicas) for partition in told.partitions)


def unsafe(stack: Stack) -> list[str]:
    return list(json.loads(stack.manage("pipeline_status", "--json"))["unsafeTopics"])


def test_a_topic_is_made_with_three_copies_or_as_many_as_are_set(stack: Stack, admin: AdminClient) -> None:
    stack.manage("prepare")
    name = stack.environment["KAFKA_EVENTS_TOPIC"]
    assert copies(admin, name) == copies(admin, stack.dead_letter_topic) == 3
    stack.manage("prepare", KAFKA_EVENTS_TOPIC=f"{name}-2", KAFKA_TOPIC_REPLICATION="2")
    assert copies(admin, f"{name}-2") == 2
    assert unsafe(stack) == []


@pytest.mark.parametrize(
    ("number", "least", "words"),
    [(1, 1, "has one copy on a cluster of 3 brokers"), (2, 3, "has 2 copies, fewer than its min.insync")],
)
def test_too_few_copies_are_a_warning_at_the_start_and_in_the_status(
    stack: Stack, admin: AdminClient, number: int, least: int, words: str
) -> None:
    name = make(admin, stack, number, least)
    consumer = stack.start("consumer")
    stack.wait_until(lambda: "consuming" in consumer.output(), "it consumes")
    assert f"topic {name} {words}" in consumer.output()
    (line,) = unsafe(stack)
    assert words in line
    assert words in stack.manage("pipeline_status")


def test_too_few_copies_in_sync_keep_the_door_from_being_ready(
    stack: Stack, admin: AdminClient, brokers: list[Member]
) -> None:
    name = make(admin, stack, copies=3, least=3)
    stack.start("web")
    stack.wait_until(lambda: ask_web(stack, "/health/ready")[0] == 200, "it is ready")
    brokers[2].stop()
    try:
        stack.wait_until(lambda: ask_web(stack, "/health/ready")[0] == 503, "it is not")
        why = json.loads(ask_web(stack, "/health/ready")[1])["failing"]["kafka"]
        assert f"topic {name}" in why
        assert ask_web(stack, "/events", {"userId": "u", "type": "t"})[0] == 503
    finally:
        brokers[2].begin()
        brokers[2].wait()
    stack.wait_until(lambda: ask_web(stack, "/health/ready")[0] == 200, "it is ready again")
    assert ask_web(stack, "/events", {"userId": "u", "type": "t"})[0] == 202
