"""Readiness of a web process: 503 while it cannot take events, `degraded` for what is wrong elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from django.core.cache import caches
from django.db import connection
from django.test import Client
from redis import Redis

from eventsite.local.services.tansu import Tansu
from eventsite.local.services.valkey import Valkey
from ingest.health.checks import needs
from ingest.publishing import batcher
from processing.domain import silence
from processing.health import checks
from processing.kafka import lag
from processing.kafka.clients import asking_config
from tests.integration.ingest.test_endpoints import EVENT, Post, assert_problem
from tests.pipeline.processes import wait_until
from tests.support.frozen import frozen
from tests.support.full_redis import fill_up, make_room

WITHIN_S = 30

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("door")]


def failing(client: Client) -> dict[str, str]:
    """What keeps the process from being ready; empty when it is."""
    answer = client.get("/health/ready")
    return {} if answer.status_code == 200 else dict(assert_problem(answer, 503)["failing"])


def degraded(client: Client) -> list[str]:
    answer = client.get("/health/ready")
    assert answer.status_code == 200, answer.content
    return list(answer.json().get("degraded", []))


@pytest.fixture
def valkey(tmp_path: Path, settings: Any) -> Iterator[Valkey]:
    """A Redis of the door's own."""
    with Valkey(tmp_path / "redis") as service:
        settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": service.address}}
        yield service
        caches["default"].close()


@pytest.fixture
def own(valkey: Valkey) -> Iterator[Redis]:
    with Redis.from_url(valkey.address) as client:
        yield client


@pytest.mark.usefixtures("unhurried")
def test_all_is_well(client: Client) -> None:
    assert client.get("/health/ready").json() == {"status": "ready"}


def test_a_full_redis_keeps_it_from_taking_events(client: Client, own: Redis) -> None:
    fill_up(own)
    assert "maxmemory" in failing(client)["redis"]
    make_room(own)
    assert failing(client) == {}
    assert own.keys("*") == []


def test_a_redis_that_became_a_replica_does_too(client: Client, own: Redis) -> None:
    own.replicaof("127.0.0.1", 1)
    assert set(failing(client)) == {"redis"}
    own.replicaof("NO", "ONE")
    assert failing(client) == {}


def test_a_redis_that_hangs_is_told_in_time(client: Client, valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    assert failing(client) == {}
    monkeypatch.setattr(checks, "ANSWER_S", 1.0)
    assert valkey.process is not None
    with frozen(valkey.process.pid):
        assert "no answer for" in failing(client)["redis"]


def test_a_user_without_rights_on_redis_is_named(client: Client, own: Redis) -> None:
    own.acl_setuser("default", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-evalsha", "-eval"])
    assert "permission" in failing(client)["redis"]


@pytest.fixture
def broker(
    tmp_path: Path, settings: Any, restart: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Tansu]:
    monkeypatch.setattr(batcher, "FLUSH_WITHIN_S", 1.0)  # for a broker that stays away
    with Tansu(tmp_path / "broker") as service:
        settings.KAFKA_CLIENT_CONFIG = {"bootstrap.servers": service.address}
        restart()
        yield service


def test_a_broker_that_is_away_is_named_with_topic_and_cause(
    client: Client, broker: Tansu, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "ANSWER_S", 60.0)  # each question ends before, by its own time
    assert failing(client) == {}  # the topic was missing, and is made
    broker.stop()
    why = failing(client)
    assert set(why) == {"kafka"}
    assert settings.KAFKA_EVENTS_TOPIC in why["kafka"]
    assert "Connection refused" in why["kafka"]
    broker.start_again()
    wait_until(lambda: failing(client) == {}, WITHIN_S, "it is ready again")


def test_events_that_kafka_does_not_acknowledge_keep_it_from_being_ready(
    client: Client, post: Post, broker: Tansu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batcher, "UNANSWERED_S", 1.0)
    assert post("/events", EVENT).status_code == 202
    assert broker.process is not None
    with frozen(broker.process.pid):
        assert post("/events", EVENT).status_code == 503
        assert batcher.unanswered()
        assert set(failing(client)) == {"kafka"}


@contextmanager
def postgres_away(settings: Any) -> Iterator[None]:
    """For connections that are opened now."""
    host = connection.settings_dict["HOST"]
    connection.settings_dict["HOST"] = "/nowhere"
    try:
        yield
    finally:
        connection.settings_dict["HOST"] = host


@pytest.mark.usefixtures("unhurried")
def test_without_postgres_events_are_taken_where_nobody_needs_a_key(client: Client, settings: Any) -> None:
    settings.INGEST_REQUIRE_API_KEY = False
    with postgres_away(settings):
        assert [line for line in degraded(client) if line.startswith("postgres: ")]
        settings.INGEST_REQUIRE_API_KEY = True
        assert set(failing(client)) == {"postgres"}
    assert degraded(client) == []


def test_what_a_web_process_needs() -> None:
    assert "postgres" not in needs(keys=False)
    assert "postgres" in needs(keys=True)


@pytest.mark.usefixtures("unhurried")
def test_events_that_nobody_reads_are_told(
    client: Client, post: Post, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = settings.KAFKA_CONSUMER_GROUP = f"group-of-{settings.KAFKA_EVENTS_TOPIC}"
    settings.KAFKA_PRODUCT_TOPIC = settings.KAFKA_EVENTS_TOPIC
    asking = Consumer(asking_config("lag-of-this-test"))
    monkeypatch.setattr(lag, "_consumer", lambda *_: asking)
    assert post("/events", EVENT).status_code == 202
    assert degraded(client) == []  # they may be read in a moment
    monkeypatch.setattr(silence, "SILENT_S", 0.0)
    (line,) = degraded(client)
    assert line.startswith(f"the consumers of group {group} have committed nothing for ")
    assert str(EVENT["userId"]) not in line.split()
    with closing(Consumer({**settings.KAFKA_CLIENT_CONFIG, "group.id": group})) as reader:
        ends = [TopicPartition(settings.KAFKA_EVENTS_TOPIC, each, 1) for each in (0, 1)]
        reader.commit(offsets=ends, asynchronous=False)
    assert degraded(client) == []
