"""The endpoints as clients see them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import orjson
import pytest
from django.test import Client
from redis import Redis

from tests.integration.ingest.conftest import read_topic
from tests.unit.ingest.test_parsing import BAD_EVENTS

EVENT = {"userId": "u", "type": "t"}
MOVE = {"eventType": "move", "playerId": "p", "timestamp": 1_790_000_000_000, "data": {}}

pytestmark = pytest.mark.usefixtures("door")

Post = Callable[..., Any]


def assert_problem(response: Any, status: int) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(response.content)
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json"), body
    assert body["status"] == status
    assert {"type", "title", "detail", "error", "errors"} <= body.keys()
    assert "\n" not in body["error"] and all(each.keys() == {"path", "message"} for each in body["errors"])
    return body


def test_one_event_is_accepted_once(post: Post) -> None:
    first = post("/events", {**EVENT, "eventId": "a/b\nc?"})
    assert (first.status_code, first.json()) == (202, {"eventId": "a/b\nc?", "status": "accepted"})
    assert unquote(first["Location"]) == "/events/a/b\nc?" and "/" not in first["Location"].removeprefix("/events/")
    again = post("/events", {**EVENT, "eventId": "a/b\nc?"})
    assert (again.status_code, again.json()) == (200, {"eventId": "a/b\nc?", "status": "duplicate"})


@pytest.mark.parametrize("id", ["list", "ip:10.0.0.1", "batch", "..", "%2F", " "])
def test_odd_ids_are_ids(post: Post, id: str) -> None:
    assert post("/events", {**EVENT, "eventId": id}).json() == {"eventId": id, "status": "accepted"}


@pytest.mark.parametrize(("body", "path"), BAD_EVENTS)
def test_a_bad_event_is_the_callers_fault(post: Post, redis: Redis, settings: Any, body: bytes, path: str) -> None:
    settings.EVENT_MAX_BYTES = 1_000
    response = post("/events", body)
    problem = assert_problem(response, 413 if "at most 1000" in response.json()["error"] else 400)
    assert problem["errors"][0]["path"] == path
    assert redis.hget(f"event:{problem['eventId']}", "status") == b"invalid"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("put", "/events", 405),
        ("delete", "/events/batch", 405),
        ("post", "/events/some-id", 405),
        ("patch", "/game-events", 405),
        ("options", "/events", 405),
        ("post", "/nowhere", 404),
        ("get", "/nowhere", 404),
        ("post", "/", 405),
        ("get", "/events/", 404),
    ],
)
def test_wrong_methods_and_paths(client: Client, method: str, path: str, status: int) -> None:
    assert_problem(getattr(client, method)(path), status)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", "nonsense", ""]
)
def test_another_content_type_is_refused(client: Client, kind: str) -> None:
    assert_problem(client.post("/events", orjson.dumps(EVENT), content_type=kind), 415)


def test_a_body_over_the_limit_is_refused(post: Post, settings: Any) -> None:
    settings.BODY_MAX_BYTES = 100
    assert_problem(post("/events", {**EVENT, "payload": {"a": "x" * 100}}), 413)


@pytest.mark.parametrize("key", ["k" * 10_240, " ", ""])
def test_a_key_that_cannot_be_used_is_refused(post: Post, key: str) -> None:
    problem = assert_problem(post("/events", EVENT, Idempotency_Key=key), 400)
    assert problem["errors"][0]["path"] == "Idempotency-Key"


def test_a_key_used_for_other_content_conflicts(post: Post) -> None:
    first = post("/events", EVENT, Idempotency_Key="k").json()
    assert post("/events", EVENT, Idempotency_Key="k").json() == {**first, "status": "duplicate"}
    problem = assert_problem(post("/events", {**EVENT, "type": "other"}, Idempotency_Key="k"), 409)
    assert problem["eventId"] == first["eventId"]


def test_garbage_in_forwarded_for_does_no_harm(post: Post, settings: Any, redis: Redis) -> None:
    settings.TRUSTED_PROXY_COUNT, settings.RATE_LIMIT_PER_IP = 1, 10
    assert post("/events", EVENT, X_Forwarded_For="\x01garbage, ,:::").status_code == 202
    assert redis.keys("rate:ip:*") == [b"rate:ip:127.0.0.1"]


def test_over_the_limit_an_answer_says_when_to_come_back(post: Post, settings: Any) -> None:
    settings.RATE_LIMIT_PER_USER = 1
    fields = ("RateLimit-Policy", "RateLimit")
    first, second = post("/events", EVENT), post("/events", EVENT)
    assert [first[name] for name in fields] == ['"user";q=1;w=1', '"user";r=0;t=1']
    assert_problem(second, 429)
    assert [second[name] for name in (*fields, "Retry-After")] == ['"user";q=1;w=1', '"user";r=0;t=1', "1"]


def test_a_batch_tells_each_events_fate(post: Post, door: str) -> None:
    response = post("/events/batch", {"events": [EVENT, {**EVENT, "type": 1}, {**EVENT, "idempotencyKey": "k"}]})
    assert response.status_code == 202
    results = response.json()["results"]
    assert [each["status"] for each in results] == ["accepted", "invalid", "accepted"]
    assert results[1]["error"].startswith("events[1].type: ")
    assert len(read_topic(door)) == 2


def test_a_batch_that_is_none_is_refused(post: Post) -> None:
    assert_problem(post("/events/batch", {"events": []}), 400)
    assert_problem(post("/events/batch", {"events": [EVENT] * 1_001}), 400)


def test_a_batchs_event_that_is_too_large_is_invalid(post: Post) -> None:
    large = {**EVENT, "payload": {"a": "x" * 300_000}}
    results = post("/events/batch", {"events": [large, EVENT]}).json()["results"]
    assert [each["status"] for each in results] == ["invalid", "accepted"]


def test_a_family_takes_one_event_or_a_list(post: Post, door: str) -> None:
    assert post("/game-events", MOVE).json()["status"] == "accepted"
    listed = post("/game-events", [MOVE, {**MOVE, "data": 1}], Idempotency_Key="k")
    assert [each["status"] for each in listed.json()["results"]] == ["accepted", "invalid"]
    again = post("/game-events", [MOVE, {**MOVE, "data": 1}], Idempotency_Key="k")
    assert [each["status"] for each in again.json()["results"]] == ["duplicate", "invalid"]
    assert len(read_topic(door)) == 2
    assert_problem(post("/game-events", []), 400)
    assert_problem(post("/game-events", b'"text"'), 400)


class TestApiKeys:
    @pytest.fixture(autouse=True)
    def _required(self, settings: Any, db: None) -> None:
        settings.INGEST_REQUIRE_API_KEY = True

    def test_without_a_key_nobody_gets_in(self, client: Client, post: Post) -> None:
        for response in (post("/events", EVENT), client.get("/events"), client.get("/events/e")):
            assert_problem(response, 401)
            assert response["WWW-Authenticate"].startswith("Api-Key")

    def test_health_needs_none(self, client: Client) -> None:
        assert client.get("/health/live").status_code == 200

    @pytest.mark.parametrize("header", ["Api-Key wrong", "Api-Key", "Bearer x", "Api-Key \xff" + "k" * 10_000])
    def test_a_wrong_key_gets_nobody_in(self, post: Post, header: str) -> None:
        assert_problem(post("/events", EVENT, Authorization=header), 401)

    def test_a_key_gets_in_until_it_is_revoked(self, post: Post) -> None:
        from django.core.management import call_command
        from django.utils import timezone

        from ingest.api_keys.callers import forget_cached
        from ingest.models import ApiKey

        call_command("create_api_key", "a client", secret="what clients have")
        assert post("/events", EVENT, Authorization="Api-Key what clients have").status_code == 202
        assert b"what clients have" not in orjson.dumps(list(ApiKey.objects.values()))
        ApiKey.objects.update(revoked_at=timezone.now())
        forget_cached()
        assert_problem(post("/events", EVENT, Authorization="Api-Key what clients have"), 401)

    def test_where_none_is_required_a_header_that_names_none_is_ignored(self, post: Post, settings: Any) -> None:
        settings.INGEST_REQUIRE_API_KEY = False
        for header in ("Api-Key wrong", "Basic x"):
            assert post("/events", EVENT, Authorization=header).status_code == 202
