"""What clients read."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from django.db import connection
from django.test import Client

from ingest.game_events.family import BODY
from ingest.game_events.listing import GAME_EVENTS
from ingest.models import GameEvent
from ingest.reading import pages
from ingest.reading.family_lists import family_lists
from ingest.wire.bodies import bodies
from processing.envelope import Invalid
from processing.models import InboxEvent
from processing.registry import Family
from processing.statuses import Status
from tests.factories import GameEventFactory, InboxEventFactory
from tests.plans import plans_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NOW_MS = 1_767_225_600_000

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


def inbox(id: str, **members: Any) -> None:
    row = {"user_id": "u", "type": "t", "family": "", "status": "processed", "attempts": 1, "final_at": NOW}
    InboxEvent.objects.create(id=id, **(row | {"occurred_at": NOW} | members))


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


def read_all(client: Client, path: str) -> list[str]:
    """The ids of a list, page after page."""
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        page = client.get(f"{path}&cursor={cursor}" if cursor else path).json()
        seen += [each["eventId"] for each in page["events"]]
        cursor = page["next"]
    return seen


def test_a_batch_of_one_time_is_paged_by_id(client: Client) -> None:
    for number in range(9):
        inbox(str(number), received_at=NOW)
    for path in ("/events?limit=2", "/events?limit=2&userId=u", "/events?limit=3&type=t", "/events?limit=1&since=0"):
        assert read_all(client, path) == list("876543210")


@pytest.mark.parametrize("path", ["/events", "/game-events"])
def test_what_comes_in_meanwhile_moves_no_page(client: Client, path: str) -> None:
    for number in range(4):
        inbox(f"old-{number}", received_at=NOW)
        GameEventFactory.create(event_id=f"old-{number}", timestamp=NOW)
    first = client.get(f"{path}?limit=2").json()
    inbox("new", received_at=NOW + timedelta(seconds=1))
    GameEventFactory.create(event_id="new", timestamp=NOW + timedelta(seconds=1))
    second = client.get(f"{path}?limit=2&cursor={first['next']}").json()
    assert [each["eventId"] for each in first["events"] + second["events"]] == ["old-3", "old-2", "old-1", "old-0"]
    assert second["next"] is None


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
        assert (event["eventId"], event["status"]) == ("done", "processed")
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
            "timestamp": NOW_MS,
            "status": status,
            "attempts": 2,
            "error": "why",
            "receivedAt": NOW_MS,
            "nextAttemptAt": NOW_MS,
        }
    ]


def test_a_payload_may_be_gone_and_poison_has_none(client: Client) -> None:
    InboxEventFactory.create(id="poison", poison=True, family="game", received_at=NOW)
    InboxEventFactory.create(id="stripped", failed=True, family="game", received_at=NOW - timedelta(1))
    InboxEvent.objects.filter(id="stripped").update(payload=None)
    poison, stripped = client.get("/game-events?status=failed").json()["events"]
    assert "eventType" not in poison
    assert (poison["eventId"], poison["error"]) == ("poison", "the message is not valid JSON")
    assert (stripped["eventId"], stripped["playerId"], stripped["attempts"]) == ("stripped", "u-1", 4)


def test_what_was_not_processed_is_filtered_too(client: Client) -> None:
    for number, (user, kind) in enumerate([("p", "a"), ("p", "b"), ("q", "a"), ("p", "a")]):
        at = NOW + timedelta(seconds=number)
        inbox(str(number), family="game", status="failed", user_id=user, type=kind, received_at=at)
    assert read_all(client, "/game-events?status=failed&playerId=p&eventType=a&limit=1") == ["3", "0"]
    assert read_all(client, "/game-events?status=failed&playerId=q") == ["2"]
    assert read_all(client, "/game-events?status=held&playerId=q") == []


def test_every_familys_list_has_every_status(client: Client) -> None:
    for body in bodies():
        for status in Status.values if body.path else ():
            assert client.get(f"/{body.path}?status={status}").json() == {"events": [], "next": None}


@pytest.mark.parametrize("path", ["/events", "/game-events"])
def test_an_unknown_status_is_refused_and_told_what_there_is(client: Client, path: str) -> None:
    answer = client.get(f"{path}?status=nope")
    assert answer.status_code == 400
    assert answer.json()["error"] == "status: must be one of held, retrying, processed, failed, skipped"


def test_a_filter_that_the_inbox_does_not_have_is_of_processed_events_only(client: Client) -> None:
    body = replace(BODY, listing=replace(GAME_EVENTS, filters={**GAME_EVENTS.filters, "gameId": "game_id"}))
    lists = family_lists(body)
    assert lists.choose({"gameId": "g", "status": "processed"}) is lists.usual
    with pytest.raises(Invalid, match="gameId: is known of processed events only"):
        lists.choose({"gameId": "g", "status": "failed"})


def test_a_family_whose_members_are_the_pipelines_is_refused_at_start() -> None:
    class Order(msgspec.Struct):
        status: str

    body = replace(BODY, family=Family("order", Order, lambda events: None))
    with pytest.raises(ValueError, match="'order': status of its schema"):
        family_lists(body)


# --- cursors ---


@pytest.fixture
def cursors(client: Client) -> dict[str, str]:
    """A cursor of each list."""
    for number in range(2):
        inbox(f"failed-{number}", family="game", status="failed")
        GameEventFactory.create()
    paths = ("/events?", "/game-events?", "/game-events?status=failed&")
    return {path: client.get(f"{path}limit=1").json()["next"] for path in paths}


def test_a_cursor_of_another_list_is_refused(client: Client, cursors: dict[str, str]) -> None:
    for path in cursors:
        for owner, cursor in cursors.items():
            answer = client.get(f"{path}cursor={cursor}")
            assert answer.status_code == (200 if owner == path else 400)
            assert owner == path or "belongs to another list" in answer.json()["error"]


@pytest.mark.parametrize(
    "content", ["[]", '["inbox",1,2]', '["inbox",1,"\\u0000"]', '["inbox",99999999999999999999,"x"]']
)
def test_a_made_up_cursor_is_refused(client: Client, content: str) -> None:
    cursor = urlsafe_b64encode(content.encode()).decode()
    answer = client.get(f"/events?cursor={cursor}")
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (400, "cursor")


# --- which index ---

MANY = 3_000


@pytest.fixture
def many() -> None:
    """Events of which the newest are no help to who looks for a user or a type that is gone; Postgres knows them."""
    gone = MANY // 10
    InboxEvent.objects.bulk_create(
        InboxEvent(
            id=str(number),
            user_id="gone" if number < gone else f"u-{number % 50}",
            type="gone" if number < gone else f"t-{number % 5}",
            family="game" if number % 2 else "",
            status="failed" if number % 20 == 1 else "processed",
            attempts=1,
            received_at=NOW + timedelta(milliseconds=number // 100),
            occurred_at=NOW,
        )
        for number in range(MANY)
    )
    GameEvent.objects.bulk_create(
        GameEvent(
            event_id=str(number),
            player_id="gone" if number < gone else f"u-{number % 50}",
            event_type="gone" if number < gone else f"t-{number % 5}",
            timestamp=NOW + timedelta(milliseconds=number // 100),
            data={},
        )
        for number in range(MANY)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE inbox")
        cursor.execute("ANALYZE game_events")


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(
    ("path", "index"),
    [
        ("/events?", "inbox_received"),
        ("/events?since=0&until=1767225600001", "inbox_received"),
        ("/events?userId=gone", "inbox_user_newest"),
        ("/events?userId=u-1&since=0&until=1767225600030", "inbox_user_newest"),
        ("/events?type=gone", "inbox_type_newest"),
        ("/events?type=nowhere", "inbox_type_newest"),
        ("/events?type=t-1&until=1767225600030", "inbox_type_newest"),
        ("/events?status=failed", "inbox_unhappy"),
        ("/game-events?", "game_events_newest"),
        ("/game-events?since=1767225600001&until=1767225600002", "game_events_newest"),
        ("/game-events?playerId=gone", "game_events_player_newest"),
        ("/game-events?eventType=gone&until=1767225600030", "game_events_type_newest"),
        ("/game-events?status=failed", "inbox_family_unhappy"),
    ],
)
def test_a_list_reads_little_more_than_its_page_along_its_index(client: Client, path: str, index: str) -> None:
    first = f"{path}&limit=20"
    for page in (first, f"{first}&cursor={cursor_of(client, path)}"):
        (plan,) = plans_of(partial(client.get, page))
        assert {node.type for node in plan} <= {"Limit", "Incremental Sort", "Index Scan"}
        assert [node.index for node in plan if node.index] == [index]
        assert all(node.rows + node.removed <= 20 + 200 for node in plan)  # up to two batches of one time


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(
    "path",
    [
        "/events?userId=gone&type=t-1",
        "/events?userId=u-1&type=gone",
        "/events?status=processed&since=0",
        "/events?status=failed&userId=gone&type=t-1",
        "/game-events?playerId=gone&eventType=t-1",
        "/game-events?status=failed&playerId=gone&since=1767225600001",
    ],
)
def test_what_no_index_holds_together_is_looked_for_in_windows(
    client: Client, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = read_all(client, path + "&limit=500")
    monkeypatch.setattr(pages, "WINDOW", 150)
    for plan in plans_of(lambda: client.get(f"{path}&limit=20")):
        assert {node.type for node in plan} <= {"Limit", "Incremental Sort", "Index Scan", "Index Only Scan"}
        assert all(node.rows + node.removed <= 150 + 100 for node in plan)
    assert read_all(client, path + "&limit=20") == whole


def test_no_event_is_lost_between_windows(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(60):
        kind, user = f"t-{number % 3}", f"u-{number % 2}"
        inbox(f"{number:02}", user_id=user, type=kind, received_at=NOW + timedelta(seconds=number // 7))
    expected = [f"{number:02}" for number in reversed(range(60)) if number % 6 == 1]
    for window in (1, 2, 5, 7, 8, 30, 100):
        monkeypatch.setattr(pages, "WINDOW", window)
        for limit in (1, 2, 50):
            assert read_all(client, f"/events?userId=u-1&type=t-1&limit={limit}") == expected


def cursor_of(client: Client, path: str) -> str:
    """That of a page in the middle of the list, if it has so many."""
    cursor: str | None = client.get(f"{path}&limit=110").json()["next"]
    return cursor or client.get(f"{path.split('?')[0]}?{'status=failed&' * ('failed' in path)}limit=1").json()["next"]


def test_the_schema_tells_the_lists_parameters(client: Client) -> None:
    paths = client.get("/schema", headers={"Accept": "application/json"}).json()["paths"]
    for path in ("/events", *(f"/{body.path}" for body in bodies() if body.path)):
        told = {each["name"]: each for each in paths[path]["get"]["parameters"]}
        assert told["status"]["schema"]["enum"] == Status.values
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
