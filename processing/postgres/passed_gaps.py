"""The record of passed gaps: which seqs lanes went on without."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from processing.domain.lanes import PassedGap
from processing.postgres.old_rows import OldRows
from processing.postgres.transaction import Cursor, raw_cursor

PASSED_GAPS = OldRows(
    "processing_passedgap", "id", "SELECT id FROM processing_passedgap WHERE passed_at < %(before)s ORDER BY passed_at"
)


def record_passed_gaps(cursor: Cursor, gaps: Sequence[PassedGap], at: datetime) -> None:
    """Write down the gaps that (locked) lanes pass, at the time of the outcomes behind them."""
    if not gaps:
        return
    cursor.execute(
        """INSERT INTO processing_passedgap (user_id, first_seq, last_seq, passed_at, waited_ms)
           SELECT user_id, first_seq, last_seq, at, greatest(0, round(extract(epoch FROM at - since) * 1000))
           FROM (SELECT %s::timestamptz AS at) AS t,
                unnest(%s::text[], %s::bigint[], %s::bigint[], %s::timestamptz[])
                AS g(user_id, first_seq, last_seq, since)""",
        (
            at,
            [gap.user_id for gap in gaps],
            [gap.first_seq for gap in gaps],
            [gap.last_seq for gap in gaps],
            [gap.since for gap in gaps],
        ),
    )


def count_passed_gaps() -> int:
    row = raw_cursor().execute("SELECT count(*) FROM processing_passedgap").fetchone()
    assert row is not None
    return int(row[0])
