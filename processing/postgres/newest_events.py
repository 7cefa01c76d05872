"""The newest events that match: as many rows are read, at most, however large the inbox and rare the match."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from processing.domain.statuses import Status
from processing.postgres.transaction import raw_cursor

LOOKED_AT = 5_000  # newest events (of the user, of the status, of the type) of which some match


class NewestEvent(NamedTuple):
    id: str
    received_at: datetime
    status: str
    family: str
    type: str
    user_id: str
    seq: int | None
    attempts: int
    error: str | None


def newest_events(*, family: str, event_type: str, user_id: str, status: str, most: int) -> list[NewestEvent]:
    """Those of a family (empty: any) or of one of its types, of a user, of a status. The inner query follows an index
    from its newest end, of the filter that leaves the fewest rows."""
    wanted = {"user_id": user_id, "status": status, "type": event_type, "family": family}
    filters = [name for name, value in wanted.items() if value or (name == "family" and event_type)]
    indexed = [name for name in filters if name != "family" and (name, status) != ("status", Status.PROCESSED)][:1]
    cursor = raw_cursor().execute(
        f"""SELECT * FROM (
              SELECT {", ".join(NewestEvent._fields)} FROM processing_inboxevent {_where(indexed)}
              ORDER BY received_at DESC LIMIT %(looked_at)s) newest
            {_where(filters)} LIMIT %(most)s""",
        {**wanted, "looked_at": LOOKED_AT, "most": most},
    )
    return [NewestEvent(*row) for row in cursor]


def _where(columns: list[str]) -> str:
    return "WHERE " + " AND ".join(f"{name} = %({name})s" for name in columns) if columns else ""
