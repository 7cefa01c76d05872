"""Revenue as clients see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from django.core.management import call_command
from django.test import Client
from redis import Redis

from tests.integration.ingest.conftest import read_topic
from tests.integration.ingest.test_endpoints import assert_problem
from tests.integration.revenue.conftest import balances, settle
from tests.support.factories import UserRevenueFactory

CHANGE = {"userId": "u", "name": "add_revenue", "value": 29.33}

Post = Callable[..., Any]


def with_value(text: str) -> bytes:
    """A body with this JSON text as its value."""
    return b'{"userId": "u", "name": "add_revenue", "value": %s}' % text.encode()


@pytest.mark.usefixtures("door")
class TestLiveEvent:
    def test_it_is_received_once_kafka_has_it(self, post: Post, door: str) -> None:
        response = post("/liveEvent", CHANGE)
        (message,) = read_topic(door)
        sent = orjson.loads(message.value() or b"")
        assert (response.status_code, response.json()) == (200, {"message": "Event received", "eventId": sent["id"]})
        assert response["Location"] == f"/events/{sent['id']}"
        assert (message.key(), sent["type"], sent["family"]) == (b"u", "add_revenue", "revenue")
        assert sent["payload"] == {"value": 29.33}

    def test_the_same_key_again_is_answered_alike(self, post: Post, door: str) -> None:
        first = post("/liveEvent", CHANGE, Idempotency_Key="k")
        again = post("/liveEvent", CHANGE, Idempotency_Key="k")
        assert (again.status_code, again.json()) == (200, first.json())
        problem = assert_problem(post("/liveEvent", {**CHANGE, "value": 1}, Idempotency_Key="k"), 409)
        assert problem["eventId"] == first.json()["eventId"]
        assert len(read_topic(door)) == 1

    @pytest.mark.parametrize("amount", ["0", "0.00", '"12.30"', "9999999999999.99", "1E+3", "9007199254740.93"])
    def test_an_amount_goes_on_as_it_was_written(self, post: Post, door: str, amount: str) -> None:
        assert post("/liveEvent", with_value(amount)).status_code == 200
        (message,) = read_topic(door)
        assert f'"value":{amount}' in (message.value() or b"").decode()

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("-0.01", "value: must be from 0 to below 10^13"),
            ("1e300", "value: must be from 0 to below 10^13"),
            ("10000000000000", "value: must be from 0 to below 10^13"),
            ("1.001", "value: must have at most 2 decimal places"),
            ('"1.001"', "value: must have at most 2 decimal places"),
            ('"-1"', "value: must be an amount"),
            ('"NaN"', "value: must be an amount"),
            ('"1_000"', "value: must be an amount"),
            ("true", "value: must be an amount"),
            ("[1]", "value: must be an amount"),
            ("null", "value: is missing"),
            ("NaN", "value: is NaN, which JSON does not have"),
        ],
    )
    def test_a_value_that_is_no_exact_amount_is_refused(
        self, post: Post, redis: Redis, text: str, problem: str
    ) -> None:
        refused = assert_problem(post("/liveEvent", with_value(text)), 400)
        assert refused["error"].startswith(problem)
        assert refused["errors"][0]["path"] == ("value" if problem.startswith("value") else "")
        assert redis.hget(f"event:{refused['eventId']}", "status") == b"invalid"

    @pytest.mark.parametrize(
        ("changes", "path", "message"),
        [
            ({"name": "page.viewed"}, "name", "must be one of add_revenue, subtract_revenue"),
            ({"name": None}, "name", "is missing"),
            ({"name": 1}, "name", "Expected `str`"),
            ({"userId": " "}, "userId", "is blank"),
            ({"userId": None}, "userId", "is missing"),
            ({"userId": "u" * 256}, "userId", "Expected `str` of length <= 255"),
            ({"userId": "a\0b"}, "userId", "has a NUL character"),
            ({"currency": "USD"}, "currency", "is not a known member"),
            ({"timestamp": 1}, "timestamp", "is not a known member"),
            ({"seq": 0}, "seq", "must be an integer from 1"),
        ],
    )
    def test_what_else_is_wrong_is_named(self, post: Post, changes: dict[str, Any], path: str, message: str) -> None:
        (error,) = assert_problem(post("/liveEvent", {**CHANGE, **changes}), 400)["errors"]
        assert error["path"] == path
        assert error["message"].startswith(message)

    def test_a_list_is_not_taken_here(self, post: Post, door: str) -> None:
        problem = assert_problem(post("/liveEvent", [CHANGE]), 400)
        assert "is a list: send one event" in problem["error"]
        assert problem["eventId"]
        assert read_topic(door) == []

    @pytest.mark.parametrize("body", [b"", b"{", b'"text"', b"\xff"])
    def test_what_is_no_object_is_refused(self, post: Post, body: bytes) -> None:
        assert_problem(post("/liveEvent", body), 400)

    def test_a_body_of_another_type_and_another_method_are_refused(self, client: Client) -> None:
        assert_problem(client.post("/liveEvent", orjson.dumps(CHANGE), content_type="text/plain"), 415)
        assert_problem(client.get("/liveEvent"), 405)

    def test_no_user_is_limited(self, post: Post, settings: Any) -> None:
        settings.RATE_LIMIT_PER_USER = 1
        assert [post("/liveEvent", CHANGE).status_code for _ in range(3)] == [200, 200, 200]
        assert post("/events", {"userId": "u", "type": "t"}).status_code == 202  # which has its unit still


@pytest.mark.usefixtures("door")
@pytest.mark.django_db(transaction=True)
def test_revenue_by_a_batch_is_the_same_thing(post: Post, client: Client, door: str) -> None:
    events = [
        {"userId": "u", "type": "add_revenue", "family": "revenue", "payload": {"value": "10.50"}},
        {"userId": "u", "type": "subtract_revenue", "payload": {"value": 0.25}},
        {"userId": "u", "type": "page.viewed", "family": "revenue", "payload": {"value": 1}},
        {"userId": "u", "type": "add_revenue", "payload": {"value": -1}},
    ]
    results = post("/events/batch", {"events": events}).json()["results"]
    assert [each["status"] for each in results] == ["accepted", "accepted", "invalid", "invalid"]
    assert results[2]["error"].startswith("events[2].type: must be one of add_revenue")
    assert results[3]["error"].startswith("events[3].payload.value: must be from 0")
    post("/liveEvent", CHANGE)
    settle(*(message.value() for message in read_topic(door)))
    assert balances() == {"u": ("39.58", 3)}
    assert client.get("/userEvents/u").json() == {"userId": "u", "revenue": "39.58"}


@pytest.mark.django_db
class TestUserEvents:
    @pytest.mark.parametrize("revenue", ["0.00", "0.10", "-12.30", "7.00", "9" * 40 + ".99"])
    def test_revenue_has_two_decimal_places(self, client: Client, revenue: str) -> None:
        UserRevenueFactory.create(user_id="u", revenue=revenue)
        response = client.get("/userEvents/u")
        assert (response.status_code, response.json()) == (200, {"userId": "u", "revenue": revenue})

    @pytest.mark.parametrize("user", ["a/b", "/", "..", "ü😀", "100%", "a?b#c", "line\nbreak", " ", "%2F", "u" * 255])
    def test_any_user_is_found_by_its_encoded_id(self, client: Client, user: str) -> None:
        UserRevenueFactory.create(user_id=user, revenue="1.00")
        assert client.get(f"/userEvents/{quote(user, safe='')}").json() == {"userId": user, "revenue": "1.00"}

    @pytest.mark.parametrize("user", ["nobody", "U", "a%00b", "u" * 256, "%FF", "%ED%A0%80", ""])
    def test_a_user_never_seen_is_not_found(self, client: Client, user: str) -> None:
        UserRevenueFactory.create(user_id="u")
        assert_problem(client.get(f"/userEvents/{user}"), 404)

    def test_it_is_only_read(self, client: Client) -> None:
        assert_problem(client.post("/userEvents/u"), 405)


@pytest.mark.usefixtures("door")
class TestApiKeys:
    @pytest.fixture(autouse=True)
    def _required(self, settings: Any, db: None) -> None:
        settings.INGEST_REQUIRE_API_KEY = True
        UserRevenueFactory.create(user_id="u")
        call_command("create_api_key", "old clients", secret="mysecret")

    @pytest.mark.parametrize("header", ["mysecret", " mysecret ", "Api-Key mysecret", "api-key  mysecret"])
    def test_a_key_gets_in_bare_or_with_its_scheme(self, post: Post, client: Client, header: str) -> None:
        assert post("/liveEvent", CHANGE, Authorization=header).status_code == 200
        assert client.get("/userEvents/u", headers={"Authorization": header}).status_code == 200

    @pytest.mark.parametrize("header", ["geheimnisträger", "Api-Key geheimnisträger"])
    def test_a_secret_may_have_any_letters(self, post: Post, header: str) -> None:
        call_command("create_api_key", "more old clients", secret="geheimnisträger")
        as_wsgi_has_it = header.encode().decode("latin-1")
        assert post("/liveEvent", CHANGE, Authorization=as_wsgi_has_it).status_code == 200

    @pytest.mark.parametrize("header", ["", "wrong", "Bearer mysecret", "Api-Key", "Api-Key wrong", "MYSECRET"])
    def test_nobody_else_gets_in(self, post: Post, client: Client, header: str) -> None:
        for response in (
            post("/liveEvent", CHANGE, Authorization=header),
            client.get("/userEvents/u", headers={"Authorization": header}),
        ):
            assert_problem(response, 401)
            assert response["WWW-Authenticate"].startswith("Api-Key")

    def test_elsewhere_a_bare_key_gets_nobody_in(self, post: Post) -> None:
        assert_problem(post("/events", {"userId": "u", "type": "t"}, Authorization="mysecret"), 401)

    def test_where_none_is_required_a_header_that_names_none_is_ignored(self, post: Post, settings: Any) -> None:
        settings.INGEST_REQUIRE_API_KEY = False
        for header in ("wrong", "Basic x", "Api-Key wrong", ""):
            assert post("/liveEvent", CHANGE, Authorization=header).status_code == 200

    def test_one_caller_is_the_same_in_both_forms(self, post: Post) -> None:
        first = post("/liveEvent", CHANGE, Authorization="mysecret", Idempotency_Key="k").json()
        assert post("/liveEvent", CHANGE, Authorization="Api-Key mysecret", Idempotency_Key="k").json() == first


def test_the_document_describes_both_endpoints(client: Client) -> None:
    document = client.get("/schema").json()
    operation = document["paths"]["/liveEvent"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert set(schema["required"]) == {"userId", "name", "value"}
    assert set(schema["properties"]) == {"userId", "name", "value", "seq", "eventId"}
    assert schema["properties"]["name"] == {"enum": ["add_revenue", "subtract_revenue"]}
    assert set(document["components"]["schemas"]["Received"]["required"]) == {"message", "eventId"}
    assert "200" in document["paths"]["/userEvents/{user_id}"]["get"]["responses"]
