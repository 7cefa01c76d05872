"""Rows of the inbox, and lists as clients read them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.test import Client

from processing.models import InboxEvent

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NOW_MS = 1_767_225_600_000


def inbox(id: str, **members: Any) -> None:
    row = {"user_id": "u", "type": "t", "family": "", "status": "processed", "attempts": 1, "final_at": NOW}
    InboxEvent.objects.create(id=id, **(row | {"occurred_at": NOW} | members))


def read_all(client: Client, path: str) -> list[str]:
    """The ids of a list, page after page."""
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        page = client.get(f"{path}&cursor={cursor}" if cursor else path).json()
        seen += [each["eventId"] for each in page["events"]]
        cursor = page["next"]
    return seen
