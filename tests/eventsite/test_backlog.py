"""What is left to read, told exactly by either broker."""

from collections.abc import Callable

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from django.conf import settings
from pytest_django.fixtures import Settings

from eventsite.backlog import unread_partitions

TIMEOUT_S = 10.0


@pytest.fixture
def topic(topics: Callable[..., str], settings: Settings) -> str:
    settings.KAFKA_EVENTS_TOPIC = topics("events", partitions=3)
    settings.KAFKA_PRODUCT_TOPIC = "a-topic-that-nobody-made"
    settings.KAFKA_CONSUMER_GROUP = f"group-of-{settings.KAFKA_EVENTS_TOPIC}"
    return str(settings.KAFKA_EVENTS_TOPIC)


def produce(topic: str, *, count: int, partition: int) -> None:
    producer = Producer({**settings.KAFKA_CLIENT_CONFIG, "acks": "all"})
    for _ in range(count):
        producer.produce(topic, b"{}", partition=partition)
    assert producer.flush(TIMEOUT_S) == 0


def commit(topic: str, *, partition: int, offset: int) -> None:
    consumer = Consumer({**settings.KAFKA_CLIENT_CONFIG, "group.id": settings.KAFKA_CONSUMER_GROUP})
    consumer.commit(offsets=[TopicPartition(topic, partition, offset)], asynchronous=False)
    consumer.close()


def test_a_topic_without_messages_has_nothing_left(topic: str) -> None:
    assert unread_partitions(TIMEOUT_S) == set()


def test_a_partition_is_left_until_its_last_message_is_committed(topic: str) -> None:
    produce(topic, count=3, partition=1)
    assert unread_partitions(TIMEOUT_S) == {(topic, 1)}
    commit(topic, partition=1, offset=2)
    assert unread_partitions(TIMEOUT_S) == {(topic, 1)}
    commit(topic, partition=1, offset=3)
    assert unread_partitions(TIMEOUT_S) == set()
