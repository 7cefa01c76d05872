"""API keys: made and limited in the admin, asked for at the door and by what can be read."""

from __future__ import annotations

import re
from datetime import timedelta
from time import monotonic
from typing import Any

import psycopg
import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings
from redis import Redis
from structlog.testing import capture_logs

from ingest.api_keys import callers
from ingest.api_keys.callers import forget_cached
from ingest.api_keys.create import create_api_key, issue
from ingest.models import ApiKey
from tests.support.factories import InboxEventFactory
from tests.support.operator_pages import change, changelist, client_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("door", "required")]

EVENT = {"userId": "u", "type": "t", "payload": {}}
MOVE = {"playerId": "u", "eventType": "move", "timestamp": 1_790_000_000_000, "data": {}}


@pytest.fixture
def required(settings: Settings) -> None:
    settings.INGEST_REQUIRE_API_KEY = True


def made(**limits: Any) -> dict[str, Any]:
    """The headers of a request with a new key."""
    return as_key(issue(ApiKey(name="shop", **limits)))


def as_key(secret: str) -> dict[str, Any]:
    return {"Authorization": f"Api-Key {secret}"}


def send(client: Client, headers: dict[str, Any], body: Any = EVENT, path: str = "/events") -> Any:
    return client.post(path, body, content_type="application/json", headers=headers)


def test_without_a_key_that_counts_nobody_sends_or_reads(client: Client) -> None:
    expired = made(expires_at=timezone.now() - timedelta(seconds=1))
    revoked = made(revoked_at=timezone.now())
    for headers in ({}, as_key("ek_made_up"), expired, revoked):
        for response in (send(client, headers), client.get("/events", headers=headers)):
            assert response.status_code == 401, headers
            assert response["WWW-Authenticate"] == 'Api-Key realm="events"'
            assert response["Content-Type"] == "application/problem+json"
    assert send(client, made()).status_code == 202


def test_a_key_that_lacks_a_right_is_403(client: Client) -> None:
    InboxEventFactory.create(id="e-1")
    reader, writer = made(may_write=False), made(may_read=False)
    refused = send(client, reader)
    assert (refused.status_code, refused.json()["error"]) == (403, "this API key may read, not send events")
    assert client.get("/events/e-1", headers=reader).status_code == 200
    assert send(client, writer).status_code == 202
    for path in ("/events", "/events/e-1", "/events/batch", "/game-events", "/userEvents/u"):
        told = client.get(path, headers=writer)
        assert (told.status_code, told.json()["error"]) == (403, "this API key may send events, not read them")


def test_a_key_is_for_its_kinds_alone(client: Client, redis: Redis) -> None:
    gamer = made(kinds=["game"])
    assert send(client, gamer, MOVE, "/game-events").status_code == 202
    assert send(client, gamer, EVENT | {"type": "move", "family": "game", "payload": {"data": {}}}).status_code == 202
    refused = send(client, gamer, EVENT | {"eventId": "mine"})
    assert (refused.status_code, refused.json()["error"]) == (403, "is of none: this API key is for game")
    assert refused.json()["eventId"] == "mine"
    assert not redis.exists("accepted:mine")
    of_revenue = {"userId": "u", "name": "add_revenue", "value": 1}
    assert send(client, gamer, of_revenue, "/liveEvent").status_code == 403
    cloud = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "subject": "u", "data": {}}
    assert send(client, gamer, cloud).status_code == 403


def test_in_a_batch_events_of_other_kinds_spoil_none(client: Client) -> None:
    plain = made(kinds=["none"])
    events = [EVENT, EVENT | {"type": "move", "family": "game", "payload": {"data": {}}}]
    response = send(client, plain, {"events": events}, "/events/batch")
    assert response.status_code == 202
    assert [each["status"] for each in response.json()["results"]] == ["accepted", "invalid"]
    assert response.json()["results"][1]["error"] == "events[1]: is of game: this API key is for none"


def test_a_key_reads_its_kinds_alone(client: Client) -> None:
    InboxEventFactory.create(id="g-1", family="game")
    InboxEventFactory.create(id="r-1", family="revenue")
    gamer = made(kinds=["game"])
    answers = {
        path: client.get(path, headers=gamer).status_code
        for path in ("/game-events", "/events/g-1", "/events/r-1", "/events", "/userEvents/u", "/product-events")
    }
    assert answers == {
        "/game-events": 200,
        "/events/g-1": 200,
        "/events/r-1": 403,
        "/events": 403,
        "/userEvents/u": 403,
        "/product-events": 403,
    }


def test_a_session_of_staff_who_may_see_events_reads_and_does_not_send(client: Client) -> None:
    InboxEventFactory.create(id="e-1")
    assert client_of("vic", may=["view_inboxevent"]).get("/events/e-1").status_code == 200
    assert client_of("ada", superuser=True).get("/events").status_code == 200
    assert client_of("bob").get("/events/e-1").status_code == 401, "staff that the admin shows no events either"
    assert send(client_of("cleo", superuser=True), {}).status_code == 401


def test_a_key_has_a_rate_limit_of_its_own_that_is_exact_and_told(
    client: Client, redis: Redis, settings: Settings
) -> None:
    settings.RATE_LIMIT_PER_USER = 3
    key = ApiKey(name="shop", rate_limit=2)
    headers = as_key(issue(key))
    events = [EVENT | {"userId": f"u-{number}", "eventId": f"e-{number}"} for number in range(4)]
    response = send(client, headers, {"events": events}, "/events/batch")
    assert [each["status"] for each in response.json()["results"]] == ["accepted"] * 2 + ["rate_limited"] * 2
    assert response.json()["results"][3]["error"] == "the API key's rate limit is used up: try again later"
    assert response["RateLimit-Policy"] == '"user";q=3;w=1, "key";q=2;w=1'
    assert response["RateLimit"] == '"user";r=2;t=1, "key";r=0;t=1'
    assert redis.zcard(f"rate:key:{key.pk}") == 2
    assert not redis.exists("rate:u-3"), "refused for the key it takes nothing of its user's"
    alone = send(client, headers, EVENT | {"userId": "u-9"})
    assert (alone.status_code, alone["Retry-After"]) == (429, "1")
    assert send(client, made(), EVENT).status_code == 202, "another key has its own"


def test_duplicates_and_the_users_limit_take_nothing_of_the_keys(
    client: Client, redis: Redis, settings: Settings
) -> None:
    settings.RATE_LIMIT_PER_USER = 1
    key = ApiKey(name="shop", rate_limit=10)
    headers = as_key(issue(key))
    for expected in (202, 200, 200):
        assert send(client, headers, EVENT | {"eventId": "same"}).status_code == expected
    assert send(client, headers, EVENT).status_code == 429
    assert redis.zcard(f"rate:key:{key.pk}") == 1


def test_no_users_text_reaches_the_window_of_a_key(client: Client, redis: Redis) -> None:
    key = ApiKey(name="shop", rate_limit=10)
    issue(key)
    assert send(client, made(), EVENT | {"userId": f"key:{key.pk}"}).status_code == 202
    assert not redis.exists(f"rate:key:{key.pk}")


def test_what_is_changed_or_revoked_counts_once_the_cache_has_run_out(client: Client) -> None:
    headers = made()
    assert send(client, headers).status_code == 202
    ApiKey.objects.update(may_write=False)
    (until,) = [until for _, until in callers._cache.values()]
    assert until - monotonic() <= callers.CACHED_S
    forget_cached()
    assert send(client, headers).status_code == 403
    ApiKey.objects.update(revoked_at=Now())
    forget_cached()
    assert send(client, headers).status_code == 401


def test_a_key_is_cached_no_longer_than_it_counts(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = made(expires_at=timezone.now() + timedelta(seconds=30))
    monkeypatch.setattr(callers, "CACHED_S", 3_600.0)
    assert send(client, headers).status_code == 202
    (until,) = [until for _, until in callers._cache.values()]
    assert until - monotonic() <= 30


def test_when_it_was_used_is_noted_rarely(client: Client) -> None:
    headers = made()
    send(client, headers)
    noted = ApiKey.objects.get().last_used_at
    assert noted is not None
    with CaptureQueriesContext(connection) as queries:
        for _ in range(3):
            forget_cached()
            send(client, headers)
    assert not [each for each in queries.captured_queries if "UPDATE" in each["sql"]]
    ApiKey.objects.update(last_used_at=noted - timedelta(minutes=2))
    forget_cached()
    send(client, headers)
    later = ApiKey.objects.get().last_used_at
    assert later is not None and later >= noted


def test_nobody_waits_to_note_it(client: Client) -> None:
    headers = made()
    with psycopg.connect(**{**connection.get_connection_params(), "cursor_factory": None}) as another:
        another.execute("SELECT FROM ingest_apikey FOR UPDATE")
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '1s'")
        with capture_logs() as logs:
            assert send(client, headers).status_code == 202
    connection.close()
    assert logs == []
    assert ApiKey.objects.get().last_used_at is None


def form(**values: Any) -> dict[str, Any]:
    return {"name": "partner", "may_write": "on", "rate_limit": "5", "kinds": ["game"], **values}


def test_it_is_made_in_the_admin_and_its_secret_shown_once(client: Client, operator: Client) -> None:
    response = operator.post(reverse("admin:ingest_apikey_add"), form(expires_at_0="2100-01-01", expires_at_1="00:00"))
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    found = re.search(r'<pre id="secret">(ek_[^<]+)</pre>', response.content.decode())
    assert found is not None
    key = ApiKey.objects.get()
    assert (key.name, key.may_write, key.may_read, key.kinds, key.rate_limit) == ("partner", True, False, ["game"], 5)
    assert key.expires_at is not None and key.expires_at.year == 2100
    assert send(client, as_key(found[1]), MOVE, "/game-events").status_code == 202
    for url in (changelist("apikey", "ingest"), change("apikey", key.pk, "ingest")):
        assert found[1] not in operator.get(url).content.decode()
    assert found[1] not in str(LogEntry.objects.get().change_message)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"may_write": ""}, "neither send nor read"),
        ({"expires_at_0": "2001-01-01", "expires_at_1": "00:00"}, "This is past"),
        ({"kinds": ["no such family"]}, "no such family is not one of the available choices"),
        ({"rate_limit": "-1"}, "greater than or equal to 0"),
        ({"name": " "}, "required"),
    ],
)
def test_a_key_that_cannot_be_is_not_made(operator: Client, values: dict[str, Any], told: str) -> None:
    response = operator.post(reverse("admin:ingest_apikey_add"), form(**values))
    assert told in response.content.decode()
    assert not ApiKey.objects.exists()


def test_a_key_is_changed_and_what_was_revoked_meanwhile_stays_so(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_api_key("partner")
    key = ApiKey.objects.get()
    saved = ApiKey.save

    def revoked_before(self: ApiKey, *args: Any, **kwargs: Any) -> None:
        ApiKey.objects.update(revoked_at=Now())
        saved(self, *args, **kwargs)

    monkeypatch.setattr(ApiKey, "save", revoked_before)
    assert operator.post(change("apikey", key.pk, "ingest"), form(name="renamed")).status_code == 302
    key.refresh_from_db()
    assert (key.name, key.kinds, key.revoked_at is not None) == ("renamed", ["game"], True)
    assert operator.post(change("apikey", key.pk, "ingest"), form(name="again")).status_code == 403


def test_a_kind_that_is_declared_no_longer_is_not_lost_unseen(operator: Client) -> None:
    issue(ApiKey(name="old", kinds=["gone"]))
    key = ApiKey.objects.get()
    assert 'value="gone"' in operator.get(change("apikey", key.pk, "ingest")).content.decode()
