"""Retention's statements, each with short locks: one strips events of their content, one deletes them."""

from __future__ import annotations

from datetime import datetime
from typing import LiteralString

from processing.domain.statuses import FINAL
from processing.models import Retention
from processing.postgres.transaction import raw_cursor

ROWS = 5_000  # of one statement
THE_ROW = 1
# A task that is still to run, or may be replayed, needs its event's payload.
NO_EFFECT: LiteralString = """NOT EXISTS (
    SELECT FROM processing_effect e WHERE e.event_id = i.id AND (e.status = 'waiting' OR e.status = 'failed'))"""


def now() -> datetime:
    """By the clock that says when events were received."""
    row = raw_cursor().execute("SELECT now()").fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment


def stripped_until() -> datetime | None:
    """Up to when events are stripped, at first the time of the oldest; None while there are none."""
    cursor = raw_cursor().execute("SELECT min(received_at) FROM processing_inboxevent")
    oldest = (cursor.fetchone() or (None,))[0]
    if oldest is None:
        return None
    progress, _ = Retention.objects.get_or_create(id=THE_ROW, defaults={"stripped_until": oldest})
    return progress.stripped_until


def note_stripped_until(moment: datetime) -> None:
    Retention.objects.filter(id=THE_ROW).update(stripped_until=moment)


def strip_received(start: datetime, end: datetime) -> int:
    """Strip final events received from `start` on and before `end` of their content, except dead letters that are open
    or without a copy on their topic. Returns how many."""
    return _repeat(
        f"""UPDATE processing_inboxevent SET payload = NULL, raw = NULL, key = NULL, headers = NULL, error = NULL
           WHERE id IN (
             SELECT i.id FROM processing_inboxevent i LEFT JOIN processing_deadletter d ON d.event_id = i.id
               AND (d.discarded_at IS NULL OR d.published_at IS NULL)
             WHERE i.received_at >= %s AND i.received_at < %s AND i.status = ANY(%s) AND d.event_id IS NULL
               AND {NO_EFFECT}
               AND (i.payload IS NOT NULL OR i.raw IS NOT NULL OR i.headers IS NOT NULL) ORDER BY i.id LIMIT %s)
             AND status = ANY(%s)""",
        (start, end, sorted(FINAL), ROWS, sorted(FINAL)),
    )


def strip_kept(before: datetime) -> int:
    """As `strip_received`, of all that were received before then and were not final on arrival: one that waited, or was
    an open dead letter, when its time was stripped may be final by now. Returns how many."""
    return _repeat(
        f"""UPDATE processing_inboxevent SET payload = NULL, raw = NULL, key = NULL, headers = NULL, error = NULL
           WHERE id IN (
             SELECT i.id FROM processing_inboxevent i LEFT JOIN processing_deadletter d ON d.event_id = i.id
               AND (d.discarded_at IS NULL OR d.published_at IS NULL)
             WHERE i.raw IS NOT NULL AND i.received_at < %s AND i.status = ANY(%s) AND d.event_id IS NULL
               AND {NO_EFFECT}
             ORDER BY i.id LIMIT %s)
             AND status = ANY(%s)""",
        (before, sorted(FINAL), ROWS, sorted(FINAL)),
    )


def delete_received_before(moment: datetime) -> int:
    """Delete final events, with their ids and with those dead letters that are discarded and have their copy. Returns
    how many events. One stays as long as a task still needs it."""
    _repeat(
        """DELETE FROM processing_deadletter WHERE event_id IN (
             SELECT event_id FROM processing_deadletter d JOIN processing_inboxevent i ON i.id = d.event_id
             WHERE d.discarded_at IS NOT NULL AND d.published_at IS NOT NULL AND i.received_at < %s LIMIT %s)""",
        (moment, ROWS),
    )
    return _repeat(
        f"""DELETE FROM processing_inboxevent WHERE id IN (
             SELECT i.id FROM processing_inboxevent i LEFT JOIN processing_deadletter d ON d.event_id = i.id
             WHERE i.received_at < %s AND i.status = ANY(%s) AND d.event_id IS NULL
               AND {NO_EFFECT} ORDER BY i.id LIMIT %s)
             AND status = ANY(%s)""",
        (moment, sorted(FINAL), ROWS, sorted(FINAL)),
    )


def _repeat(statement: LiteralString, parameters: tuple[object, ...]) -> int:
    total = 0
    while count := raw_cursor().execute(statement, parameters).rowcount:
        total += count
    return total
