"""Lists by pages: what a cursor stands for, and what a page costs."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from datetime import timedelta
from functools import partial

import pytest
from django.db import connection
from django.test import Client

from ingest.models import GameEvent
from ingest.reading import pages
from tests.support.factories import GameEventFactory
from tests.support.lists import NOW, inbox, read_all
from tests.support.plans import plans_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


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
    "content",
    [
        "[]",
        '["processing_inboxevent",1,2]',
        '["processing_inboxevent",1,"\\u0000"]',
        '["processing_inboxevent",99999999999999999999,"x"]',
    ],
)
def test_a_made_up_cursor_is_refused(client: Client, content: str) -> None:
    cursor = urlsafe_b64encode(content.encode()).decode()
    answer = client.get(f"/events?cursor={cursor}")
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (400, "cursor")


# --- which index ---

MANY = 3_000


FILL = """
WITH numbers AS (
    SELECT n, CASE WHEN n < %(many)s / 10 THEN 'gone' ELSE 'u-' || n %% 50 END AS user_id,
           CASE WHEN n < %(many)s / 10 THEN 'gone' ELSE 't-' || n %% 5 END AS type,
           %(now)s::timestamptz + n / 100 * interval '1 ms' AS at
    FROM generate_series(0, %(many)s - 1) AS n
), games AS (
    INSERT INTO game_events (event_id, player_id, event_type, timestamp, data)
    SELECT n::text, user_id, type, at, '{}' FROM numbers ORDER BY n
)
INSERT INTO processing_inboxevent (id, user_id, type, family, status, attempts, received_at, occurred_at)
SELECT n::text, user_id, type, CASE WHEN n %% 2 = 1 THEN 'game' ELSE '' END,
       CASE WHEN n %% 20 = 1 THEN 'failed' ELSE 'processed' END, 1, at, %(now)s FROM numbers ORDER BY n
"""


@pytest.fixture
def many() -> None:
    """Events of which the newest are no help to who looks for a user or a type that is gone; Postgres knows them.

    In one statement: to make them here would leave the transaction idle for longer than the site allows.
    """
    with connection.cursor() as cursor:
        cursor.execute(FILL, {"many": MANY, "now": NOW})
        cursor.execute("ANALYZE processing_inboxevent")
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
