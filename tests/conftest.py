"""What every test may use. The services themselves are started by tests/settings.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from django.conf import settings
from django.test import Client
from django_redis import get_redis_connection
from redis import Redis

from tests.operator_pages import client_of

CREATE_TIMEOUT_S = 15


@pytest.fixture
def redis() -> Iterator[Redis]:
    """Redis, empty at the start and at the end."""
    client: Redis = get_redis_connection("default")
    client.flushdb()
    yield client
    client.flushdb()


@pytest.fixture(scope="session")
def kafka_admin() -> AdminClient:
    return AdminClient(settings.KAFKA_CLIENT_CONFIG)


@pytest.fixture
def topics(kafka_admin: AdminClient) -> Callable[..., str]:
    """Make a topic of this test's own: `topics("events", partitions=4)` returns its name."""

    def make(stem: str, *, partitions: int = 1) -> str:
        name = f"{stem}-{uuid4().hex[:12]}"
        for future in kafka_admin.create_topics([NewTopic(name, partitions, 1)]).values():
            future.result(CREATE_TIMEOUT_S)
        return name

    return make


@pytest.fixture
def operator() -> Client:
    """A browser in which somebody is logged in who may do everything."""
    return client_of("ada", superuser=True)
