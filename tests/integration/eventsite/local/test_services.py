"""The embedded services answer, and end with us."""

from collections.abc import Callable

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from django.conf import settings
from django.db import connection
from redis import Redis


@pytest.mark.django_db
def test_postgres_answers() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def test_redis_is_empty_and_runs_scripts(redis: Redis) -> None:
    assert redis.dbsize() == 0
    assert redis.eval("return redis.call('INCR', KEYS[1])", 1, "counter") == 1


def test_a_topic_takes_a_message_into_the_partition_asked_for(
    topics: Callable[..., str], kafka_admin: AdminClient
) -> None:
    topic = topics("events", partitions=3)
    delivered: list[int | None] = []
    producer = Producer({**settings.KAFKA_CLIENT_CONFIG, "acks": "all"})
    producer.produce(
        topic, b"{}", partition=2, on_delivery=lambda error, message: delivered.append(message.partition())
    )
    producer.flush(10)
    assert delivered == [2]
    assert len(kafka_admin.list_topics(topic, timeout=10).topics[topic].partitions) == 3
