"""What clients read."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from django.test import Client

from ingest.events import GAME
from ingest.families.declaration import EventKind, event_kinds
from ingest.families.game_events.listing import GAME_EVENTS
from ingest.families.lists import family_lists
from ingest.parsing.forms import EventForm
from processing.domain.envelope import Invalid
from processing.domain.statuses import Status
from processing.models import InboxEvent
from tests.support.factories import GameEventFactory, InboxEventFactory
from tests.support.lists import NOW, NOW_MS, inbox, read_all

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.mark.parametrize("id", ["e", "a/b", "line\nbreak\n", "/", "..", "batch", "100%", "?#", "ü\N{GRINNING FACE}"])
def test_an_event_is_found_by_any_id(client: Client, id: str) -> None:
    inbox(id, seq=3, status="failed", error="why")
    body = client.get(f"/events/{quote(id, safe='')}").json()
    assert (body["eventId"], body["status"], body["seq"], body["error"]) == (id, "failed", 3, "why")
    assert body["processedAt"] == body["timestamp"] == 1_767_225_600_000


@pytest.mark.parametrize("id", ["nobody's", "\0", "e" * 10_000])
def test_an_unknown_id_is_not_found(client: Client, id: str) -> None:
    assert client.get(f"/events/{quote(id, safe='')}").status_code == 404


def test_before_it_is_in_the_inbox_the_door_knows_an_event(client: Client, post: Any, door: str) -> None:
    post("/events", {"userId": "u", "type": "t", "eventId": "e", "timestamp": "1970-01-01T00:00:00.005Z"})
    expected = {"eventId": "e", "userId": "u", "type": "t", "status": "accepted", "attempts": 0, "timestamp": 5}
    assert client.get("/events/e").json() == expected


def test_a_refused_event_is_told_as_invalid(client: Client, post: Any, door: str) -> None:
    post("/events", {"userId": "u", "eventId": "e"})
    body = client.get("/events/e").json()
    assert (body["status"], body["attempts"], body["error"]) == ("invalid", 0, "type: is missing")


def test_lists_are_filtered_and_newest_first(client: Client) -> None:
    for number, user in enumerate(["a", "b", "a", "a"]):
        inbox(str(number), user_id=user, received_at=NOW + timedelta(minutes=number))
    assert [each["eventId"] for each in client.get("/events?userId=a").json()["events"]] == ["3", "2", "0"]
    between = "/events?since=2026-01-01T00:01:00Z&until=1767225780000&status=processed&type=t"
    assert [each["eventId"] for each in client.get(between).json()["events"]] == ["2", "1"]


def test_since_is_inclusive_and_until_exclusive(client: Client) -> None:
    for second in range(3):
        at = NOW + timedelta(seconds=second)
        inbox(str(second), received_at=at)
        inbox(f"failed-{second}", family="game", status="failed", occurred_at=at, received_at=NOW)
        GameEventFactory.create(event_id=str(second), timestamp=at)
    between = "since=2026-01-01T00:00:01Z&until=2026-01-01T00:00:02Z"
    assert read_all(client, f"/events?status=processed&{between}") == ["1"]
    assert read_all(client, f"/game-events?{between}") == ["1"]
    assert read_all(client, f"/game-events?status=failed&{between}") == ["failed-1"]


# --- by status ---


def test_a_family_lists_its_table_unless_another_status_is_asked_for(client: Client) -> None:
    GameEventFactory.create(event_id="done")
    inbox("done", family="game")
    inbox("bad", family="game", status="failed")
    for path in ("/game-events?", "/game-events?status=processed"):
        (event,) = client.get(path).json()["events"]
        assert (event["eventId"], event["processing"]["status"]) == ("done", "processed")
    assert read_all(client, "/game-events?status=failed") == ["bad"]


@pytest.mark.parametrize("status", ["held", "retrying", "failed", "skipped"])
def test_what_was_not_processed_is_shown_in_the_familys_own_form(client: Client, status: str) -> None:
    payload = '{"data": {"price": 1.10, "san": "e4"}, "gameId": "g", "seq": 7, "status": "of the sender"}'
    known = {"user_id": "p", "type": "move", "seq": 7, "payload": payload, "error": "why", "received_at": NOW}
    inbox("mine", family="game", status=status, attempts=2, final_at=None, next_attempt_at=NOW, **known)
    inbox("another family's", status=status, **known)
    answer = client.get(f"/game-events?status={status}")
    assert b'"price": 1.10' in answer.content  # as it came, no float of ours
    assert answer.json()["events"] == [
        {
            "eventId": "mine",
            "eventType": "move",
            "playerId": "p",
            "seq": 7,
            "data": {"price": 1.1, "san": "e4"},
            "gameId": "g",
            "status": "of the sender",
            "timestamp": NOW_MS,
            "processing": {
                "status": status,
                "attempts": 2,
                "error": "why",
                "receivedAt": NOW_MS,
                "nextAttemptAt": NOW_MS,
            },
        }
    ]


def test_a_payload_may_be_gone_and_poison_has_none(client: Client) -> None:
    InboxEventFactory.create(id="poison", poison=True, family="game", received_at=NOW)
    InboxEventFactory.create(id="stripped", failed=True, family="game", received_at=NOW - timedelta(1))
    InboxEvent.objects.filter(id="stripped").update(payload=None)
    poison, stripped = client.get("/game-events?status=failed").json()["events"]
    assert "eventType" not in poison
    assert (poison["eventId"], poison["processing"]["error"]) == ("poison", "the message is not valid JSON")
    assert (stripped["eventId"], stripped["playerId"], stripped["processing"]["attempts"]) == ("stripped", "u-1", 4)


def test_what_was_not_processed_is_filtered_too(client: Client) -> None:
    for number, (user, kind) in enumerate([("p", "a"), ("p", "b"), ("q", "a"), ("p", "a")]):
        at = NOW + timedelta(seconds=number)
        inbox(str(number), family="game", status="failed", user_id=user, type=kind, received_at=at)
    assert read_all(client, "/game-events?status=failed&playerId=p&eventType=a&limit=1") == ["3", "0"]
    assert read_all(client, "/game-events?status=failed&playerId=q") == ["2"]
    assert read_all(client, "/game-events?status=held&playerId=q") == []


def test_every_familys_list_has_every_status(client: Client) -> None:
    for kind in event_kinds():
        for status in list(Status) if kind.form.path else ():
            assert client.get(f"/{kind.form.path}?status={status}").json() == {"events": [], "next": None}


@pytest.mark.parametrize("path", ["/events", "/game-events"])
def test_an_unknown_status_is_refused_and_told_what_there_is(client: Client, path: str) -> None:
    answer = client.get(f"{path}?status=nope")
    assert answer.status_code == 400
    assert answer.json()["error"] == "status: must be one of held, retrying, processed, failed, skipped"


def test_a_filter_that_the_inbox_does_not_have_is_of_processed_events_only(client: Client) -> None:
    kind = replace(GAME, listing=replace(GAME_EVENTS, filters={**GAME_EVENTS.filters, "gameId": "game_id"}))
    lists = family_lists(kind)
    assert lists.choose({"gameId": "g", "status": "processed"}) is lists.usual
    with pytest.raises(Invalid, match="gameId: is known of processed events only"):
        lists.choose({"gameId": "g", "status": "failed"})


def test_one_name_alone_is_the_lists_own() -> None:
    class Order(msgspec.Struct):
        status: str
        error: str
        processedAt: str  # noqa: N815 - the wire's name

    EventKind(name="order", schema=Order, form=EventForm(path="orders"))
    with pytest.raises(ValueError, match=r"'order': give 'processing' of Other another name; lists tell by it"):
        EventKind(name="order", schema=msgspec.defstruct("Other", ["processing"]), form=EventForm(path="orders"))


def test_the_schema_tells_the_lists_parameters(client: Client) -> None:
    paths = client.get("/schema", headers={"Accept": "application/json"}).json()["paths"]
    for path in ("/events", *(f"/{kind.form.path}" for kind in event_kinds() if kind.form.path)):
        told = {each["name"]: each for each in paths[path]["get"]["parameters"]}
        assert told["status"]["schema"]["enum"] == list(Status)
        assert told["limit"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 500, "default": 50}
        assert {"since", "until", "cursor"} < told.keys()


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=x",
        "limit=501",
        "since=then",
        "since=--5",
        "status=nope",
        "cursor=x",
        "cursor=WzEsIDJd!",
        "nonsense=1",
        "type=%00",
    ],
)
def test_a_query_that_cannot_be_used_is_refused(client: Client, query: str) -> None:
    assert client.get(f"/events?{query}").status_code == 400
