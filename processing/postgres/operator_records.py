"""The record of operator actions, and the present status of events that an action left."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from processing.postgres.transaction import Cursor, raw_cursor


def record(cursor: Cursor, action: str, actor: str, details: Mapping[str, str]) -> None:
    """Write down who did what, with a detail for each event."""
    cursor.execute(
        """INSERT INTO processing_operatoraction (event_id, action, actor, detail)
           SELECT id, %s, %s, detail FROM unnest(%s::text[], %s::text[]) AS n(id, detail)""",
        (action, actor, list(details), list(details.values())),
    )


def record_of_lane(cursor: Cursor, action: str, actor: str, user_id: str, detail: str) -> None:
    """Write down who did what to a user's lane."""
    cursor.execute(
        """INSERT INTO processing_operatoraction (event_id, user_id, action, actor, detail)
           VALUES ('', %s, %s, %s, %s)""",
        (user_id, action, actor, detail),
    )


def states(cursor: Cursor, ids: Collection[str]) -> dict[str, tuple[str, datetime | None]]:
    """By id of an inbox row its status, and when it was discarded as a dead letter, if it was."""
    cursor.execute(
        """SELECT i.id, i.status, d.discarded_at FROM processing_inboxevent i
           LEFT JOIN processing_deadletter d ON d.event_id = i.id WHERE i.id = ANY(%s)""",
        (list(ids),),
    )
    return {id: (status, discarded_at) for id, status, discarded_at in cursor}


def next_number() -> int:
    """A new number, for events that are replayed together."""
    row = raw_cursor().execute("SELECT nextval(pg_get_serial_sequence('processing_operatoraction', 'id'))").fetchone()
    assert row is not None
    return int(row[0])
