"""Lanes: locked in byte order before they are moved."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

import msgspec
from psycopg.types.json import Json

from processing.domain.lanes import LaneState
from processing.postgres.arrays import text_array
from processing.postgres.inbox import WAITING_STATUSES
from processing.postgres.transaction import Cursor

# of a row `l`, which stands on a failed event
PARKED: LiteralString = "l.waits_for = 'park'"
# of a lane `c` with its next seq, whose row is `l` so far, and whose first waiting event is `f`
WHAT_FOR: LiteralString = f"""CASE WHEN {PARKED} AND l.next_seq = c.next_seq THEN 'park'
                   WHEN f.seq IS NULL THEN ''
                   WHEN f.seq > c.next_seq THEN 'gap'
                   WHEN f.waits_for IS NOT NULL THEN 'kind'
                   WHEN f.status = 'retrying' THEN 'retry'
                   ELSE 'turn' END"""
# of a row `l`, as `LaneState` has them
LANE_COLUMNS: LiteralString = f"""user_id, next_seq, waiting_since IS NOT NULL, order_version, moved_at, set_back_from,
                                 {PARKED}"""


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
        f"""SELECT {LANE_COLUMNS} FROM processing_lane l
            WHERE user_id = ANY(%s::text[]) ORDER BY user_id FOR UPDATE""",
        (ordered,),
    )
    return {row[0]: LaneState(*row) for row in cursor}


def move_lanes(cursor: Cursor, moves: Sequence[LaneMove], at: datetime, parked: Collection[str] = ()) -> None:
    """Store new lane positions, and what each lane waits for now. `parked`: users whose lanes stand from now on on the
    event with their next seq, which has failed for good.

    A lane that has moved and still waits does so since its lowest event was read. A parked one that has not moved stays
    parked.
    """
    if moves:
        _move(cursor, moves, at)
    if parked:
        _park(cursor, parked, at)


def _move(cursor: Cursor, moves: Sequence[LaneMove], at: datetime) -> None:
    # the users again, for the planner: it would read all lanes to join them
    cursor.execute(
        f"""UPDATE processing_lane l SET next_seq = c.next_seq, order_version = c.order_version,
                  moved_at = %(at)s,
                  set_back_from = CASE WHEN l.set_back_from > c.next_seq THEN l.set_back_from END,
                  waiting_since = CASE
                    WHEN {PARKED} AND l.next_seq = c.next_seq THEN l.waiting_since
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


def _park(cursor: Cursor, users: Collection[str], at: datetime) -> None:
    """Nothing looks at these lanes again until an operator does."""
    cursor.execute(
        "UPDATE processing_lane SET waits_for = 'park', waiting_since = %s, moved_at = %s WHERE user_id = ANY(%s)",
        (at, at, text_array(sorted(users))),
    )


def parked_on(cursor: Cursor, ids: Collection[str]) -> dict[str, int]:
    """The lanes that are parked on one of these events: by user, its seq."""
    cursor.execute(
        f"""SELECT l.user_id, l.next_seq FROM processing_inboxevent i
            JOIN processing_lane l ON l.user_id = i.user_id AND l.next_seq = i.seq
            WHERE i.id = ANY(%s) AND {PARKED}""",
        (list(ids),),
    )
    return dict(cursor.fetchall())


def await_retry(cursor: Cursor, users: Collection[str]) -> None:
    """These (locked) lanes, which were parked, wait for the retry of the event that they stand on."""
    if users:
        cursor.execute(
            "UPDATE processing_lane SET waits_for = 'retry' WHERE user_id = ANY(%s)", (text_array(sorted(users)),)
        )
