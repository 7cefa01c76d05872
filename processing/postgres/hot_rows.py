"""What the hot state is written from: events, order lists and lanes as Postgres has them now."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from processing.domain.statuses import FINAL, Status
from processing.postgres.arrays import text_array
from processing.postgres.transaction import raw_cursor


class HotRow(NamedTuple):
    """An event as the hot state has it. `is_dead`: it is an open dead letter. `was_dead`: it was replayed or discarded.

    `order_version`: of its lane; None without a seq.
    """

    id: str
    version: int
    status: str
    final_at: datetime | None
    attempts: int
    user_id: str
    type: str
    seq: int | None
    error: str | None
    is_dead: bool
    was_dead: bool
    order_version: int | None


def hot_rows(ids: Collection[str]) -> list[HotRow]:
    """The rows of these events, in the order given, which is that of lists in Redis. Ids without a row are left out."""
    cursor = raw_cursor().execute(
        """SELECT i.id, i.version, i.status, i.final_at, i.attempts, i.user_id, i.type, i.seq, i.error,
                  d.event_id IS NOT NULL AND d.discarded_at IS NULL,
                  i.replay IS NOT NULL OR d.discarded_at IS NOT NULL, l.order_version
           FROM processing_inboxevent i LEFT JOIN processing_deadletter d ON d.event_id = i.id
                LEFT JOIN processing_lane l ON l.user_id = i.user_id AND i.seq IS NOT NULL
           WHERE i.id = ANY(%s::text[])""",
        (text_array(list(ids)),),
    )
    rows = {row[0]: HotRow._make(row) for row in cursor}
    return [rows[id] for id in dict.fromkeys(ids) if id in rows]


def event_versions(ids: Collection[str]) -> dict[str, int]:
    """The versions of these events' rows. Ids without a row are left out."""
    cursor = raw_cursor().execute(
        "SELECT id, version FROM processing_inboxevent WHERE id = ANY(%s::text[])", (text_array(list(ids)),)
    )
    return dict(cursor.fetchall())


def order_versions(users: Collection[str]) -> dict[str, int]:
    """The order versions of these users' lanes."""
    cursor = raw_cursor().execute(
        "SELECT user_id, order_version FROM processing_lane WHERE user_id = ANY(%s)", (list(users),)
    )
    return dict(cursor.fetchall())


def order_lists(users: Sequence[str], longest: int) -> list[tuple[str, int, list[int]]]:
    """The newest processed seqs of these users' lanes, `longest` at most and ascending: (user, order version, seqs)."""
    cursor = raw_cursor().execute(
        """SELECT l.user_id, l.order_version, o.seqs FROM processing_lane l LEFT JOIN LATERAL (
             SELECT array_agg(seq ORDER BY seq) AS seqs FROM (
               SELECT seq FROM processing_inboxevent i
               WHERE i.user_id = l.user_id AND i.seq IS NOT NULL AND i.status = %s
               ORDER BY seq DESC LIMIT %s) newest) o ON true
           WHERE l.user_id = ANY(%s) AND o.seqs IS NOT NULL""",
        (Status.PROCESSED, longest, list(users)),
    )
    return [(user, version, seqs) for user, version, seqs in cursor]


def final_since(since: datetime, after: str, limit: int) -> list[str]:
    """The next ids, in byte order behind `after`, of events that became final since then."""
    cursor = raw_cursor().execute(
        """SELECT id FROM processing_inboxevent WHERE id > %s AND status = ANY(%s) AND final_at >= %s
           ORDER BY id LIMIT %s""",
        (after, sorted(FINAL), since, limit),
    )
    return [id for (id,) in cursor]


def users_with_lanes(after: str, limit: int) -> list[str]:
    """The next users, in byte order behind `after`, who have a lane."""
    cursor = raw_cursor().execute(
        "SELECT user_id FROM processing_lane WHERE user_id > %s ORDER BY user_id LIMIT %s", (after, limit)
    )
    return [user for (user,) in cursor]
