"""The state of events: from the inbox, and before they are there from Redis."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from redis import RedisError

from ingest.http.answers import SAMPLE_ID
from ingest.http.examples import MOMENT_MS
from ingest.publishing import reservations
from ingest.publishing.errors import Unavailable
from ingest.publishing.lost import is_lost
from ingest.reading.listing import STATUS, Listing, Lists, unix_ms, without_nulls
from processing.domain.envelope import EPOCH
from processing.domain.statuses import Status
from processing.models import InboxEvent

COLUMNS = (
    "id",
    "user_id",
    "type",
    "family",
    "seq",
    "status",
    "attempts",
    "error",
    "occurred_at",
    "received_at",
    "final_at",
    "next_attempt_at",
)
MAX_ID = 255


def show_event(row: InboxEvent) -> dict[str, Any]:
    """An event as clients see it; times in Unix ms."""
    return without_nulls(
        {
            "eventId": row.id,
            "userId": row.user_id,
            "type": row.type,
            "family": row.family or None,
            "seq": row.seq,
            "timestamp": unix_ms(row.occurred_at),
            **show_processing(row),
        }
    )


def show_processing(row: InboxEvent) -> dict[str, Any]:
    """What the pipeline knows of an event."""
    return without_nulls(
        {
            STATUS: row.status,
            "attempts": row.attempts,
            "error": row.error or None,
            "receivedAt": unix_ms(row.received_at),
            "processedAt": unix_ms(row.final_at),
            "nextAttemptAt": unix_ms(row.next_attempt_at),
        }
    )


def sample_event(**columns: Any) -> InboxEvent:
    """A row for the OpenAPI document to show."""
    at = EPOCH + timedelta(milliseconds=MOMENT_MS)
    usual = {"user_id": "u-1", "type": "page.viewed", "status": Status.PROCESSED, "attempts": 1, "occurred_at": at}
    return InboxEvent(**{"id": SAMPLE_ID, **usual, "received_at": at, "final_at": at, **columns})


EVENTS = Listing(
    rows=lambda: InboxEvent.objects.only(*COLUMNS),
    show=show_event,
    filters={"type": "type", "userId": "user_id", STATUS: "status"},
    time="received_at",
    whole_id=False,
    choices={STATUS: [status.value for status in Status]},
    sample=sample_event,
)
EVENT_LISTS = Lists(usual=EVENTS, unhappy=replace(EVENTS, partial=("inbox_unhappy",)))


def find_event(event_id: str) -> dict[str, Any] | None:
    """None for an id that nobody knows. Raises `Unavailable`, `django.db.Error`."""
    if "\0" in event_id or len(event_id) > MAX_ID:
        return None
    row = InboxEvent.objects.only(*COLUMNS).filter(id=event_id).first()
    return show_event(row) if row else _find_in_redis(event_id)


def _find_in_redis(event_id: str) -> dict[str, Any] | None:
    try:
        accepted, state = reservations.look_up(event_id)
    except (RedisError, OSError) as error:
        raise Unavailable(f"Redis: {error}") from error
    if accepted:
        return {
            "eventId": event_id,
            "userId": accepted.userId,
            "type": accepted.type,
            "status": "lost" if accepted.place and is_lost(event_id, accepted.place) else "accepted",
            "attempts": 0,
            "timestamp": accepted.timestamp,
        }
    return _show_state(event_id, state) if "status" in state else None


def _show_state(event_id: str, state: dict[str, str]) -> dict[str, Any]:
    """Of a refused event, which never reaches the inbox."""
    numbers: dict[str, Any] = {name: int(state[name]) for name in ("attempts", "processedAt", "seq") if name in state}
    texts: dict[str, Any] = {name: state[name] for name in ("userId", "type", "status", "error") if name in state}
    return {"eventId": event_id, **texts, **numbers}
