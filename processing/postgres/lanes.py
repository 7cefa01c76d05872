"""Lanes: locked in byte order before they are moved."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from psycopg.types.json import Json

from processing.domain.lanes import LaneState
from processing.postgres.arrays import text_array
from processing.postgres.inbox import WAITING_STATUSES
from processing.postgres.transaction import Cursor

# of a lane `c` with its next seq, whose first waiting event is `f`
WHAT_FOR = """CASE WHEN f.seq IS NULL THEN ''
                   WHEN f.seq > c.next_seq THEN 'gap'
                   WHEN f.waits_for IS NOT NULL THEN 'kind'
                   WHEN f.status = 'retrying' THEN 'retry'
                   ELSE 'turn' END"""


@dataclass(frozen=True)
class LaneMove:
    """A lane's next position. `waiting`: events of it may be held or retrying there, so its row says what waits."""

    user_id: str
    next_seq: int
    waiting: bool
    order_version: int


def lock_lanes(cursor: Cursor, users: Collection[str], *, create: bool = False) -> dict[str, LaneState]:
    """Lock the lanes of these users, in byte order; `create` makes those that are missing."""
    if not users:
        return {}
    ordered = text_array(sorted(users))
    if create:
        cursor.execute(
            "INSERT INTO processing_lane (user_id) SELECT unnest(%s::text[]) ON CONFLICT (user_id) DO NOTHING",
            (ordered,),
        )
    cursor.execute(
        """SELECT user_id, next_seq, waiting_since IS NOT NULL, order_version, moved_at, set_back_from
           FROM processing_lane
           WHERE user_id = ANY(%s::text[]) ORDER BY user_id FOR UPDATE""",
        (ordered,),
    )
    return {row[0]: LaneState(*row) for row in cursor}


def move_lanes(cursor: Cursor, moves: Sequence[LaneMove], at: datetime) -> None:
    """Store new lane positions, and what each lane waits for now.

    A lane that has moved and still waits does so since its lowest event was read.
    """
    if not moves:
        return
    # the users again, for the planner: it would read all lanes to join them
    cursor.execute(
        f"""UPDATE processing_lane l SET next_seq = c.next_seq, order_version = c.order_version,
                  moved_at = %(at)s,
                  set_back_from = CASE WHEN l.set_back_from > c.next_seq THEN l.set_back_from END,
                  waiting_since = CASE
                    WHEN f.seq IS NULL THEN NULL
                    WHEN c.next_seq = l.next_seq THEN coalesce(l.waiting_since, now())
                    ELSE f.received_at END,
                  waits_for = {WHAT_FOR}
           FROM json_to_recordset(%(moves)s) AS c(user_id text, next_seq bigint, waiting bool, order_version bigint)
                LEFT JOIN LATERAL (
                  SELECT seq, received_at, status, waits_for FROM processing_inboxevent i
                  WHERE c.waiting AND i.user_id = c.user_id AND i.seq >= c.next_seq
                    AND (i.status = ANY(%(waiting)s)) IS TRUE
                  ORDER BY i.seq LIMIT 1) f ON true
           WHERE l.user_id = c.user_id AND l.user_id = ANY(%(users)s::text[])""",
        {
            "at": at,
            "moves": Json(moves, dumps=msgspec.json.encode),
            "waiting": WAITING_STATUSES,
            "users": text_array([move.user_id for move in moves]),
        },
    )
