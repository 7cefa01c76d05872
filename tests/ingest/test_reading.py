"""What clients read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from ingest.models import GameEvent
from processing.models import InboxEvent

NOW = datetime(2026, 1, 1, tzinfo=UTC)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


def inbox(id: str, **members: Any) -> None:
    row = {"user_id": "u", "type": "t", "family": "", "status": "processed", "attempts": 1, "final_at": NOW}
    InboxEvent.objects.create(id=id, occurred_at=NOW, **(row | members))


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
    post("/events", {"userId": "u", "type": "t", "eventId": "e", "timestamp": 5})
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


def test_pages_follow_one_another_without_gap_or_overlap(client: Client) -> None:
    for number in range(7):
        at = NOW + timedelta(minutes=number // 3)  # several of one time
        GameEvent.objects.create(event_id=str(number), event_type="m", player_id="p", timestamp=at, data={})
    seen, path = [], "/game-events?limit=2"
    while path:
        page = client.get(path).json()
        seen += [each["eventId"] for each in page["events"]]
        path = f"/game-events?limit=2&cursor={page['next']}" if page["next"] else ""
    assert seen == ["6", "5", "4", "3", "2", "1", "0"]


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
