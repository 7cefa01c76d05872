"""The outbox: events whose hot state is to be written after a commit that no redelivery repeats."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from processing.postgres.transaction import Cursor, raw_cursor


def add_to_outbox(cursor: Cursor, ids: Sequence[str]) -> int | None:
    """Name the events whose hot state is to be written after this commit, by us or by the sweeper. Returns the row's
    id."""
    if not ids:
        return None
    cursor.execute(
        "INSERT INTO processing_hotstateoutbox (event_ids) VALUES (%s::text[]) RETURNING id", (_text_array(ids),)
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
    """The events that a row names; None if it is gone: their hot state is written."""
    row = raw_cursor().execute("SELECT event_ids FROM processing_hotstateoutbox WHERE id = %s", (outbox_id,)).fetchone()
    return None if row is None else row[0]


def delete_from_outbox(outbox_id: int) -> None:
    """The hot state of the row's events is written."""
    raw_cursor().execute("DELETE FROM processing_hotstateoutbox WHERE id = %s", (outbox_id,))


def _text_array(texts: Sequence[str]) -> str | list[str]:
    """As Postgres writes an array, where JSON writes it alike: for thousands it costs far less than one by one."""
    text = orjson.dumps(texts).decode()
    return list(texts) if "\\" in text else f"{{{text[1:-1]}}}"
