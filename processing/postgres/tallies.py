"""The counts that transactions keep of what they do: added before their commit, read by the minute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime
from threading import get_native_id
from typing import LiteralString

from processing.domain.failures import kind_named, kind_of_poison
from processing.domain.process import process_name
from processing.domain.tally import BATCHES, NO_KIND, POSTGRES_US, Tally
from processing.postgres.old_rows import ROWS, OldRows
from processing.postgres.transaction import Cursor, raw_cursor

COUNTS = OldRows(
    "processing_count",
    "minute, writer, kind, what",
    "SELECT minute, writer, kind, what FROM processing_count WHERE minute < %(before)s",
)
DELETE: LiteralString = "WITH old AS (DELETE FROM processing_count WHERE (minute, writer, kind, what) IN"
OLD_OF_WRITERS: LiteralString = """
    SELECT minute, writer, kind, what FROM processing_count WHERE minute < %s AND writer <> ''
    ORDER BY minute LIMIT %s FOR UPDATE SKIP LOCKED"""
OLD_WITHIN_STEPS: LiteralString = """
    SELECT minute, writer, kind, what FROM processing_count
    WHERE minute < %s AND writer = '' AND minute <> date_bin(%s::interval, minute, 'epoch')
    ORDER BY minute LIMIT %s FOR UPDATE SKIP LOCKED"""
MERGE: LiteralString = """
    RETURNING minute, kind, what, number)
    INSERT INTO processing_count AS c (minute, writer, kind, what, number)
    SELECT date_bin(%s::interval, minute, 'epoch') AS start, '', kind, what, sum(number)
    FROM old GROUP BY start, kind, what ORDER BY start, kind, what
    ON CONFLICT (minute, writer, kind, what) DO UPDATE SET number = c.number + excluded.number"""


def add_tally(cursor: Cursor, tally: Tally, at: datetime) -> Tally:
    """Add what this transaction did, its last statement but for positions; nobody else writes these rows."""
    counted = [(kind, what, number) for (kind, what), number in tally.items() if number]
    if not counted:
        return tally
    counted.append((NO_KIND, BATCHES, 1))
    cursor.execute(
        """INSERT INTO processing_count AS c (minute, writer, kind, what, number)
           SELECT date_trunc('minute', %(at)s::timestamptz), %(writer)s, kind, what, number
           FROM (SELECT * FROM unnest(%(kind)s::text[], %(what)s::text[], %(number)s::bigint[])
                 UNION ALL SELECT %(no_kind)s, %(us)s, extract(epoch FROM clock_timestamp() - now()) * 1000000
                ) AS n(kind, what, number)
           ON CONFLICT (minute, writer, kind, what) DO UPDATE SET number = c.number + excluded.number""",
        {
            "at": at,
            "writer": f"{process_name()}, thread {get_native_id()}",
            "kind": [kind for kind, _, _ in counted],
            "what": [what for _, what, _ in counted],
            "number": [number for _, _, number in counted],
            "no_kind": NO_KIND,
            "us": POSTGRES_US,
        },
    )
    return tally


def tally_ids(cursor: Cursor, by_outcome: Mapping[str, Collection[str]]) -> Tally:
    """Of events, or unreadable messages, of the inbox that an operator gives these outcomes."""
    tally: Tally = Counter()
    for outcome, ids in by_outcome.items():
        if ids:
            cursor.execute(
                """SELECT i.family, i.type, i.topic, d.reason = 'poison', count(*) FROM processing_inboxevent i
                   LEFT JOIN processing_deadletter d ON d.event_id = i.id WHERE i.id = ANY(%s) GROUP BY 1, 2, 3, 4""",
                (list(ids),),
            )
            for family, event_type, topic, is_poison, number in cursor:
                kind = kind_of_poison(topic) if is_poison else kind_named(family, event_type)
                tally[kind, outcome] += number
    return tally


def read_counts(since: datetime, step_s: int) -> list[tuple[int | None, str | None, str, int]]:
    """(start of the step in Unix seconds, None, what, number) of all kinds, and (None, kind, what, number) of each over
    the whole time."""
    cursor = raw_cursor().execute(
        """SELECT start, kind, what, sum(number)::bigint
           FROM (SELECT extract(epoch FROM date_bin(%s * interval '1 second', minute, 'epoch'))::bigint AS start,
                        kind, what, number FROM processing_count WHERE minute >= %s) c
           GROUP BY GROUPING SETS ((start, what), (kind, what))""",
        (step_s, since),
    )
    return cursor.fetchall()


def merge_writers_before(moment: datetime) -> None:
    """One row of those of all writers; the sums stay. Rows that a transaction still adds to are left for later."""
    _repeat(f"{DELETE} ({OLD_OF_WRITERS}) {MERGE}", (moment, ROWS, "1 minute"))


def roll_up_before(moment: datetime, step: str) -> None:
    """One row for each step of time, in place of the merged ones within it; the sums stay."""
    _repeat(f"{DELETE} ({OLD_WITHIN_STEPS}) {MERGE}", (moment, step, ROWS, step))


def _repeat(statement: LiteralString, parameters: tuple[object, ...]) -> None:
    """In small steps, so that nobody waits."""
    while raw_cursor().execute(statement, parameters).rowcount:
        pass
