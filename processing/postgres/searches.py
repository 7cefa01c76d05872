"""What a search looks at in every row of the newest, in one statement that ends there."""

from __future__ import annotations

from processing.postgres.transaction import raw_cursor

LETTERS = 5_000  # the newest open dead letters, whose errors are read
ATTEMPTS = 10_000  # the newest failed ones, whose classes are read


def letters_with_error(text: str, most: int) -> list[str]:
    """Open dead letters with this text in their error, in whatever case. Each event is looked up by itself: joined with
    it the planner may read the inbox."""
    cursor = raw_cursor().execute(
        """SELECT n.event_id FROM (
             SELECT event_id FROM processing_deadletter WHERE discarded_at IS NULL
             ORDER BY queued_at DESC, event_id DESC LIMIT %s) n, LATERAL (
             SELECT FROM processing_inboxevent i
             WHERE i.id = n.event_id AND position(lower(%s) IN lower(i.error)) > 0 OFFSET 0) found
           LIMIT %s""",
        (LETTERS, text, most),
    )
    return [id for (id,) in cursor]


def failed_with(error_class: str, most: int) -> list[str]:
    """Events of which an attempt failed with this class."""
    cursor = raw_cursor().execute(
        """SELECT event_id FROM (
             SELECT event_id, error_class FROM processing_failedattempt ORDER BY at DESC LIMIT %s) newest
           WHERE error_class = %s LIMIT %s""",
        (ATTEMPTS, error_class, most),
    )
    return [id for (id,) in cursor]
