"""The record of passed gaps: which seqs lanes went on without."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from processing.postgres.lanes import LaneMove
from processing.postgres.transaction import Cursor, raw_cursor


def record_passed_gaps(cursor: Cursor, moves: Sequence[LaneMove]) -> None:
    """Write down the gaps that these moves of (locked) lanes pass; before the moves are stored."""
    if not moves:
        return
    cursor.execute(
        """INSERT INTO processing_passedgap (user_id, first_seq, last_seq, waited_ms)
           SELECT l.user_id, l.next_seq, c.next_seq - 1,
                  coalesce(round(extract(epoch FROM clock_timestamp() - l.waiting_since) * 1000), 0)
           FROM unnest(%s::text[], %s::bigint[]) AS c(user_id, next_seq)
           JOIN processing_lane l ON l.user_id = c.user_id ORDER BY l.user_id""",
        ([move.user_id for move in moves], [move.next_seq for move in moves]),
    )


def count_passed_gaps() -> int:
    row = raw_cursor().execute("SELECT count(*) FROM processing_passedgap").fetchone()
    assert row is not None
    return int(row[0])


def delete_passed_before(moment: datetime) -> int:
    """Forget the gaps that were passed before then. Returns how many."""
    return raw_cursor().execute("DELETE FROM processing_passedgap WHERE passed_at < %s", (moment,)).rowcount
