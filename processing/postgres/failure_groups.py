"""Groups of failures: which group dead letters join, and when one has none left.

Their rows are locked last in a transaction, in the order of their keys.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import LiteralString

from processing.domain.failures import Cause, Letter, grouped
from processing.postgres.transaction import Cursor

IN_ORDER: LiteralString = 'g.reason COLLATE "C", g.kind COLLATE "C", g.error_class COLLATE "C", g.place COLLATE "C"'


def join_groups(cursor: Cursor, letters: Sequence[Letter], reason: str, now: datetime) -> list[int]:
    """Count these dead letters in their groups; the group of each."""
    groups = grouped(letters, _known(cursor, {letter.kind for letter in letters}, reason))
    counts = Counter(groups)
    keys = sorted(counts)
    cursor.execute(
        """INSERT INTO processing_failuregroup AS g (reason, kind, error_class, place, open, total, first_seen,
                                                     last_seen)
           SELECT %(reason)s, kind, error_class, place, number, number, %(now)s, %(now)s
           FROM unnest(%(kind)s::text[], %(class)s::text[], %(place)s::text[], %(number)s::bigint[])
                AS n(kind, error_class, place, number)
           ON CONFLICT (reason, kind, error_class, place) DO UPDATE
             SET open = g.open + excluded.open, total = g.total + excluded.total, last_seen = excluded.last_seen,
                 resolved_at = NULL
           RETURNING kind, error_class, place, id""",
        {
            "reason": reason,
            "now": now,
            "kind": [kind for kind, _ in keys],
            "class": [cause.error_class for _, cause in keys],
            "place": [cause.place for _, cause in keys],
            "number": [counts[key] for key in keys],
        },
    )
    ids = {(kind, Cause(error_class, place)): id for kind, error_class, place, id in cursor}
    return [ids[group] for group in groups]


def _known(cursor: Cursor, kinds: Collection[str], reason: str) -> list[tuple[str, Cause]]:
    cursor.execute(
        "SELECT kind, error_class, place FROM processing_failuregroup WHERE reason = %s AND kind = ANY(%s)",
        (reason, list(kinds)),
    )
    return [(kind, Cause(error_class, place)) for kind, error_class, place in cursor]


def lock_groups(cursor: Cursor, ids: Collection[str], reason: str, kinds: Collection[str]) -> None:
    """Lock the groups of these (locked) dead letters, and those of a reason and these kinds, which new ones may join.

    At once, for a transaction that would else come to them one after the other.
    """
    cursor.execute(
        f"""SELECT FROM processing_failuregroup g
            WHERE g.id IN (SELECT group_id FROM processing_deadletter WHERE event_id = ANY(%s))
               OR (g.reason = %s AND g.kind = ANY(%s))
            ORDER BY {IN_ORDER} FOR UPDATE""",
        (list(ids), reason, list(kinds)),
    )


def leave_groups(cursor: Cursor, ids: Collection[str]) -> None:
    """These (locked) events are open dead letters no more: a group without any other is resolved."""
    cursor.execute(
        f"""WITH gone AS (
             SELECT group_id AS id, count(*) AS number FROM processing_deadletter
             WHERE event_id = ANY(%s) AND discarded_at IS NULL GROUP BY group_id),
           locked AS (
             SELECT g.id, gone.number FROM processing_failuregroup g JOIN gone USING (id)
             ORDER BY {IN_ORDER} FOR UPDATE OF g)
           UPDATE processing_failuregroup g SET open = g.open - locked.number,
                  resolved_at = CASE WHEN g.open = locked.number THEN clock_timestamp() END
           FROM locked WHERE g.id = locked.id""",
        (list(ids),),
    )


def rejoin_groups(cursor: Cursor, ids: Collection[str]) -> None:
    """These (locked) dead letters, which were discarded, are open again."""
    cursor.execute(
        f"""WITH back AS (
             SELECT group_id AS id, count(*) AS number FROM processing_deadletter WHERE event_id = ANY(%s)
             GROUP BY group_id),
           locked AS (
             SELECT g.id, back.number FROM processing_failuregroup g JOIN back USING (id)
             ORDER BY {IN_ORDER} FOR UPDATE OF g)
           UPDATE processing_failuregroup g SET open = g.open + locked.number, resolved_at = NULL
           FROM locked WHERE g.id = locked.id""",
        (list(ids),),
    )
