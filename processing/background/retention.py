"""Retention: the inbox keeps every id, so that an old one still counts once, but not every payload."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import structlog
from django.conf import settings

from processing.domain.statuses import FINAL
from processing.models import Retention
from processing.postgres.transaction import raw_cursor

ROWS = 5_000  # a statement's worth; short locks
SLICE = timedelta(hours=1)
THE_ROW = 1

log = structlog.get_logger(__name__)


def retire() -> int:
    """Take from final events older than RETENTION_DAYS all but who and what they were; returns how many.

    After RETENTION_FORGET_DAYS (0: never) they go, ids and all. Open dead letters stay as they are.
    """
    now = datetime.now(UTC)
    stripped = _strip(now - timedelta(days=settings.RETENTION_DAYS))
    forgotten = _forget(now - timedelta(days=settings.RETENTION_FORGET_DAYS)) if settings.RETENTION_FORGET_DAYS else 0
    if stripped or forgotten:
        log.info("retention", stripped=stripped, forgotten=forgotten)
    return stripped + forgotten


def _strip(until: datetime) -> int:
    """Slice by slice from where the last run ended, so that what is stripped is not read again."""
    cursor = raw_cursor().execute("SELECT min(received_at) FROM processing_inboxevent")
    oldest = (cursor.fetchone() or (None,))[0]
    if oldest is None:
        return 0
    progress, _ = Retention.objects.get_or_create(id=THE_ROW, defaults={"stripped_until": oldest})
    start, stripped = progress.stripped_until, 0
    while start < until:
        end = min(start + SLICE, until)
        stripped += _repeat(
            """UPDATE processing_inboxevent SET payload = NULL, raw = NULL, key = NULL, error = NULL WHERE id IN (
                 SELECT i.id FROM processing_inboxevent i LEFT JOIN processing_deadletter d ON d.event_id = i.id
                   AND (d.discarded_at IS NULL OR d.published_at IS NULL)
                 WHERE i.received_at >= %s AND i.received_at < %s AND i.status = ANY(%s) AND d.event_id IS NULL
                   AND (i.payload IS NOT NULL OR i.raw IS NOT NULL) ORDER BY i.id LIMIT %s)""",
            (start, end, sorted(FINAL), ROWS),
        )
        Retention.objects.filter(id=THE_ROW).update(stripped_until=end)
        start = end
    return stripped


def _forget(until: datetime) -> int:
    _repeat(
        """DELETE FROM processing_deadletter WHERE event_id IN (SELECT event_id FROM processing_deadletter d JOIN processing_inboxevent i ON
             i.id = d.event_id WHERE d.discarded_at IS NOT NULL AND d.published_at IS NOT NULL
             AND i.received_at < %s LIMIT %s)""",
        (until, ROWS),
    )
    return _repeat(
        """DELETE FROM processing_inboxevent WHERE id IN (
             SELECT i.id FROM processing_inboxevent i LEFT JOIN processing_deadletter d ON d.event_id = i.id
             WHERE i.received_at < %s AND i.status = ANY(%s) AND d.event_id IS NULL ORDER BY i.id LIMIT %s)""",
        (until, sorted(FINAL), ROWS),
    )


def _repeat(statement: str, parameters: tuple[object, ...]) -> int:
    total = 0
    while count := raw_cursor().execute(statement, parameters).rowcount:
        total += count
    return total
