"""Failed attempts and their tracebacks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from processing.domain.outcomes import Outcome
from processing.domain.process import process_name
from processing.postgres.old_rows import OldRows
from processing.postgres.transaction import Cursor

ATTEMPTS = OldRows(
    "processing_failedattempt", "id", "SELECT id FROM processing_failedattempt WHERE at < %(before)s ORDER BY at"
)
TRACEBACKS = OldRows(
    "processing_traceback",
    "error_class, place, hour",
    "SELECT error_class, place, hour FROM processing_traceback WHERE hour < %(before)s",
)
GROUPS = OldRows(
    "processing_failuregroup",
    "id",
    """SELECT id FROM processing_failuregroup g WHERE last_seen < %(before)s AND open = 0 AND NOT EXISTS (
         SELECT FROM processing_deadletter d WHERE d.group_id = g.id)""",
    lock="FOR UPDATE",
)


def record_failures(cursor: Cursor, outcomes: Sequence[Outcome], at: datetime) -> None:
    """A row for each attempt that failed, and the tracebacks of this hour that are new."""
    failed = [(outcome, outcome.failure) for outcome in outcomes if outcome.failure is not None]
    if not failed:
        return
    tracebacks = sorted({(failure.cause, failure.traceback) for _, failure in failed if failure.traceback})
    cursor.execute(
        """INSERT INTO processing_traceback (error_class, place, hour, text)
           SELECT error_class, place, date_trunc('hour', %s::timestamptz, 'UTC'), text
           FROM unnest(%s::text[], %s::text[], %s::text[]) AS t(error_class, place, text) ON CONFLICT DO NOTHING""",
        (
            at,
            [cause.error_class for cause, _ in tracebacks],
            [cause.place for cause, _ in tracebacks],
            [text for _, text in tracebacks],
        ),
    )
    cursor.execute(
        """INSERT INTO processing_failedattempt (event_id, attempt, at, process, error_class, place, message)
           SELECT event_id, attempt, %s, %s, error_class, place, message
           FROM unnest(%s::text[], %s::int[], %s::text[], %s::text[], %s::text[])
                AS f(event_id, attempt, error_class, place, message)""",
        (
            at,
            process_name(),
            [outcome.event.id for outcome, _ in failed],
            [outcome.attempts for outcome, _ in failed],
            [failure.cause.error_class for _, failure in failed],
            [failure.cause.place for _, failure in failed],
            [failure.message for _, failure in failed],
        ),
    )
