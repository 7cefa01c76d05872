"""Retention's statements, each with short locks: one strips events of their content, one deletes them."""

from __future__ import annotations

from datetime import datetime
from typing import LiteralString

from processing.models import Retention
from processing.postgres.old_rows import OldRows, Progress, count, nobody_asks, repeat
from processing.postgres.transaction import raw_cursor

THE_ROW = 1
IS_FINAL: LiteralString = "status IN ('processed', 'failed', 'skipped')"
# of an event `i` the dead letter `d` for which it must stay whole: it is open, or without a copy on its topic
NEEDED_LETTER: LiteralString = """LEFT JOIN processing_deadletter d ON d.event_id = i.id
    AND (d.discarded_at IS NULL OR d.published_at IS NULL)"""
# a task that is still to run, or may be replayed, needs its event's payload
NO_EFFECT: LiteralString = """NOT EXISTS (
    SELECT FROM processing_effect e WHERE e.event_id = i.id AND (e.status = 'waiting' OR e.status = 'failed'))"""
IN_TIME: LiteralString = f"""SELECT i.id FROM processing_inboxevent i {NEEDED_LETTER}
    WHERE i.received_at >= %(start)s AND i.received_at < %(before)s AND i.{IS_FINAL} AND d.event_id IS NULL
      AND {NO_EFFECT}
      AND (i.payload IS NOT NULL OR i.raw IS NOT NULL OR i.headers IS NOT NULL) ORDER BY i.id"""
KEPT: LiteralString = f"""SELECT i.id FROM processing_inboxevent i {NEEDED_LETTER}
    WHERE i.raw IS NOT NULL AND i.received_at < %(before)s AND i.{IS_FINAL} AND d.event_id IS NULL
      AND {NO_EFFECT} ORDER BY i.id"""

DISCARDED_LETTERS = OldRows(
    "processing_deadletter",
    "event_id",
    """SELECT event_id FROM processing_deadletter d JOIN processing_inboxevent i ON i.id = d.event_id
       WHERE d.discarded_at IS NOT NULL AND d.published_at IS NOT NULL AND i.received_at < %(before)s""",
)
FINAL_EVENTS = OldRows(
    "processing_inboxevent",
    "id",
    f"""SELECT i.id FROM processing_inboxevent i LEFT JOIN processing_deadletter d ON d.event_id = i.id
        WHERE i.received_at < %(before)s AND i.{IS_FINAL} AND d.event_id IS NULL AND {NO_EFFECT} ORDER BY i.id""",
    also=f"AND {IS_FINAL}",
    foretold=f"""SELECT i.id FROM processing_inboxevent i {NEEDED_LETTER}
                 WHERE i.received_at < %(before)s AND i.{IS_FINAL} AND d.event_id IS NULL AND {NO_EFFECT}""",
)


def now() -> datetime:
    """By the clock that says when events were received."""
    row = raw_cursor().execute("SELECT now()").fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment


def stripped_until() -> datetime | None:
    """Up to when events are stripped, at first the time of the oldest; None while there are none."""
    progress = Retention.objects.filter(id=THE_ROW).first()
    if progress is not None:
        return progress.stripped_until
    cursor = raw_cursor().execute("SELECT min(received_at) FROM processing_inboxevent")
    oldest: datetime | None = (cursor.fetchone() or (None,))[0]
    return oldest


def note_stripped_until(moment: datetime) -> None:
    Retention.objects.update_or_create(id=THE_ROW, defaults={"stripped_until": moment})


def strip_received(start: datetime, end: datetime, progress: Progress = nobody_asks) -> int:
    """Strip final events received from `start` on and before `end` of their content, except dead letters that are open
    or without a copy on their topic. Returns how many."""
    return _strip(IN_TIME, progress, start=start, before=end)


def strip_kept(before: datetime, progress: Progress = nobody_asks) -> int:
    """As `strip_received`, of all that were received before then and were not final on arrival: one that waited, or was
    an open dead letter, when its time was stripped may be final by now. Returns how many."""
    return _strip(KEPT, progress, before=before)


def count_to_strip(start: datetime, before: datetime) -> int:
    """How many events both would strip now, those received from `start` on slice by slice."""
    later = count(f"SELECT count(*) FROM ({IN_TIME}) e", start=start, before=max(start, before))
    return later + count(f"SELECT count(*) FROM ({KEPT}) e", before=min(start, before))


def _strip(select: LiteralString, progress: Progress, **parameters: datetime) -> int:
    return repeat(
        f"""UPDATE processing_inboxevent SET payload = NULL, raw = NULL, key = NULL, headers = NULL, error = NULL,
                   traceparent = NULL
            WHERE id IN ({select} LIMIT %(rows)s) AND {IS_FINAL}""",
        progress,
        **parameters,
    )
