from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from processing.models import DeadLetter
from processing.postgres.transaction import Cursor


def add_dead_letters(cursor: Cursor, ids: Sequence[str], reason: DeadLetter.Reason, now: datetime) -> None:
    """Make these failed events dead letters; one that was replayed and failed again is a new one."""
    if not ids:
        return
    cursor.execute(
        """INSERT INTO processing_deadletter (event_id, reason, queued_at)
           SELECT id, %s, %s FROM unnest(%s::text[]) id
           ON CONFLICT (event_id) DO UPDATE SET reason = excluded.reason, queued_at = excluded.queued_at,
                                                published_at = NULL, discarded_at = NULL""",
        (reason, now, sorted(ids)),
    )
