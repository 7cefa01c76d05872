"""The outbox: events whose hot state is to be written after a commit that no redelivery repeats."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings

from processing.postgres.arrays import text_array
from processing.postgres.transaction import Cursor, raw_cursor


def add_to_outbox(cursor: Cursor, ids: Sequence[str]) -> int | None:
    """Add a row that names events whose hot state is to be written after this commit. Returns its id; None without
    ids, or without a hot state."""
    if not ids or settings.HOT_STATE == "off":
        return None
    cursor.execute(
        "INSERT INTO processing_hotstateoutbox (event_ids) VALUES (%s::text[]) RETURNING id", (text_array(ids),)
    )
    row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def overdue_outbox(patience_s: float, limit: int) -> list[int]:
    """The oldest rows that are older than `patience_s`."""
    cursor = raw_cursor().execute(
        """SELECT id FROM processing_hotstateoutbox
           WHERE created_at < clock_timestamp() - %s * interval '1 second' ORDER BY id LIMIT %s""",
        (patience_s, limit),
    )
    return [id for (id,) in cursor]


def events_of_outbox(outbox_id: int) -> list[str] | None:
    """The events that a row names; None if the row is gone, since their hot state is written."""
    row = raw_cursor().execute("SELECT event_ids FROM processing_hotstateoutbox WHERE id = %s", (outbox_id,)).fetchone()
    return None if row is None else row[0]


def delete_from_outbox(outbox_id: int) -> None:
    """Delete the row: the hot state of its events is written."""
    raw_cursor().execute("DELETE FROM processing_hotstateoutbox WHERE id = %s", (outbox_id,))
