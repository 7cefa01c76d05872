"""The door without one of its services: nothing is remembered as accepted, and it goes on by itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.db import connection
from redis import Redis

from eventsite.local.services.tansu import Tansu
from eventsite.local.services.valkey import Valkey
from ingest.publishing import batcher, producer
from tests.integration.ingest.test_endpoints import EVENT, Post, assert_problem
from tests.pipeline.processes import wait_until


@pytest.fixture
def broker(
    tmp_path: Path, settings: Any, redis: Redis, restart: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> Any:
    settings.BACKPRESSURE_MAX_LAG = 0
    monkeypatch.setattr(batcher, "FLUSH_WITHIN_S", 1.0)  # for a broker that stays away
    with Tansu(tmp_path / "broker") as service:
        settings.KAFKA_CLIENT_CONFIG = {"bootstrap.servers": service.address}
        restart()
        yield service


def test_without_kafka_nothing_is_remembered_as_accepted(post: Post, redis: Redis, broker: Tansu) -> None:
    assert post("/events", EVENT, Idempotency_Key="before").status_code == 202
    known = set(redis.keys("accepted:*"))
    broker.stop()
    problem = assert_problem(post("/events", {**EVENT, "eventId": "e"}, Idempotency_Key="k"), 503)
    assert (problem["outcome"], problem["eventId"]) == ("unknown", "e")
    assert set(redis.keys("accepted:*")) == known
    response = post("/events/batch", {"events": [EVENT, {**EVENT, "type": ""}, EVENT]})
    assert_problem(response, 503)
    results = response.json()["results"]
    assert [each["status"] for each in results] == ["unavailable", "invalid", "unavailable"]
    assert [each.get("outcome") for each in results] == ["unknown", None, "unknown"]
    assert response["Retry-After"]


def test_a_door_that_never_saw_kafka_says_so(
    post: Post, redis: Redis, broker: Tansu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producer, "ADMIN_TIMEOUT_S", 1.0)  # it has heard so long before the client's time is over
    broker.stop()
    response = post("/events", EVENT)
    problem = assert_problem(response, 503)
    assert "Kafka" in problem["error"]
    assert problem["outcome"] == "none"
    assert response["Retry-After"]


def test_without_redis_nothing_is_taken_and_then_it_goes_on(
    post: Post, settings: Any, broker: Tansu, tmp_path: Path
) -> None:
    with Valkey(tmp_path / "redis") as service:
        settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": service.address}}
        assert post("/events", EVENT).status_code == 202
        service.stop()
        problem = assert_problem(post("/events", EVENT), 503)
        assert "Redis" in problem["error"]
        assert problem["outcome"] == "none"
        assert assert_problem(post("/events", {}), 503)["outcome"] == "none"
        batch = assert_problem(post("/events/batch", {"events": [EVENT, {}]}), 503)
        assert [each["outcome"] for each in batch["results"]] == ["none", "none"]
        service._start_once()
        wait_until(lambda: post("/events", EVENT).status_code == 202, 30, "it goes on")
        caches["default"].close()


@pytest.mark.usefixtures("unhurried")
def test_a_backlog_sends_requests_away(post: Post, settings: Any, door: str, restart: Callable[[], None]) -> None:
    for number in range(5):
        assert post("/events", {**EVENT, "userId": str(number)}).status_code == 202
    settings.BACKPRESSURE_MAX_LAG, settings.BACKPRESSURE_WAIT_MS = 2, 100
    restart()
    response = post("/events", EVENT)
    problem = assert_problem(response, 503)
    assert "backlog" in problem["error"]
    assert problem["outcome"] == "none"
    assert response["Retry-After"]


@pytest.mark.usefixtures("door", "transactional_db")
def test_a_key_that_cannot_be_looked_up_is_no_wrong_key(post: Post, settings: Any) -> None:
    settings.INGEST_REQUIRE_API_KEY = True
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE ingest_apikey RENAME TO away")
    try:
        response = post("/events", EVENT, Authorization="Api-Key any")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE away RENAME TO ingest_apikey")
    problem = assert_problem(response, 503)
    assert "Postgres" in problem["error"]
    assert problem["outcome"] == "none"
    assert response["Retry-After"]


def test_when_kafka_is_back_the_door_goes_on_even_if_the_broker_forgot_everything(post: Post, broker: Tansu) -> None:
    assert post("/events", EVENT).status_code == 202
    broker.stop()
    assert_problem(post("/events", EVENT), 503)
    broker._start_once()
    answers = (post("/events", EVENT).status_code for _ in range(20))
    assert 202 in answers
    assert post("/events", EVENT).status_code == 202
