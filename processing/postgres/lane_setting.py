"""What setting a lane to another seq finds and changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString

from processing.domain.lanes import LaneState
from processing.domain.statuses import Status
from processing.postgres.inbox import WAITING_STATUSES
from processing.postgres.lanes import LANE_COLUMNS, WHAT_FOR
from processing.postgres.transaction import Cursor, raw_cursor

OWN_FOR_GOOD = [Status.PROCESSED, Status.FAILED]


def limit_lock_wait(cursor: Cursor, seconds: float) -> None:
    """From here on this transaction waits so long for a lock, at most: then `psycopg.errors.LockNotAvailable`."""
    cursor.execute("SELECT set_config('lock_timeout', %s, true)", (f"{round(seconds * 1000)}ms",))


def find_lane(user_id: str) -> LaneState | None:
    """A lane as it is now, not locked."""
    row = (
        raw_cursor().execute(f"SELECT {LANE_COLUMNS} FROM processing_lane l WHERE user_id = %s", (user_id,)).fetchone()
    )
    return None if row is None else LaneState(*row)


def find_tried(cursor: Cursor, user_id: str) -> str | None:
    """An event of the lane that is being tried or retried."""
    cursor.execute(
        """SELECT id FROM processing_inboxevent WHERE user_id = %s AND seq IS NOT NULL AND status = %s
           ORDER BY seq LIMIT 1""",
        (user_id, Status.RETRYING),
    )
    row = cursor.fetchone()
    return None if row is None else row[0]


WAITING_BETWEEN: LiteralString = """FROM processing_inboxevent
    WHERE user_id = %s AND seq >= %s AND seq < %s AND (status = ANY(%s)) IS TRUE"""
# with `firsts` only those whose seq no other event has, or had before them
SKIPPED_FROM: LiteralString = """FROM processing_inboxevent i WHERE i.user_id = %(user)s AND i.seq >= %(seq)s
    AND (i.status = 'skipped') IS TRUE AND (NOT %(firsts)s OR NOT EXISTS (
      SELECT FROM processing_inboxevent o WHERE o.user_id = i.user_id AND o.seq = i.seq
        AND (o.status <> i.status OR (o.received_at, o.id) < (i.received_at, i.id))))"""


def highest_waiting_between(cursor: Cursor, user_id: str, first: int, below: int, limit: int) -> list[str]:
    """The events that wait in a lane from one seq on, below another: the highest of them."""
    cursor.execute(
        f"SELECT id {WAITING_BETWEEN} ORDER BY seq DESC LIMIT %s", (user_id, first, below, WAITING_STATUSES, limit)
    )
    return [id for (id,) in cursor]


def count_waiting_between(cursor: Cursor, user_id: str, first: int, below: int) -> int:
    cursor.execute(f"SELECT count(*) {WAITING_BETWEEN}", (user_id, first, below, WAITING_STATUSES))
    row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def skipped_from(cursor: Cursor, user_id: str, seq: int, *, firsts: bool, limit: int) -> list[tuple[str, bool]]:
    """The skipped events of a lane from a seq on, the lowest of them; with each whether its payload is kept, so that it
    can run."""
    cursor.execute(
        f"""SELECT i.id, i.payload IS NOT NULL {SKIPPED_FROM}
            ORDER BY i.seq, i.received_at, i.id LIMIT %(limit)s""",
        {"user": user_id, "seq": seq, "firsts": firsts, "limit": limit},
    )
    return [(id, readable) for id, readable in cursor]


def count_skipped_from(cursor: Cursor, user_id: str, seq: int, *, firsts: bool) -> tuple[int, int]:
    """How many these are, and how many of them have their payload."""
    cursor.execute(f"SELECT count(*), count(i.payload) {SKIPPED_FROM}", {"user": user_id, "seq": seq, "firsts": firsts})
    row = cursor.fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def first_unowned(cursor: Cursor, user_id: str, seq: int) -> int:
    """The lowest seq from this one on that no processed or failed event owns; one index look-up for each step."""
    cursor.execute(
        """WITH RECURSIVE step(seq) AS (
             SELECT %(seq)s::bigint UNION ALL
             SELECT seq + 1 FROM step WHERE EXISTS (
               SELECT FROM processing_inboxevent i
               WHERE i.user_id = %(user)s AND i.seq = step.seq AND (i.status = ANY(%(final)s)) IS TRUE))
           SELECT max(seq) FROM step""",
        {"user": user_id, "seq": seq, "final": OWN_FOR_GOOD},
    )
    row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def lock_events(cursor: Cursor, ids: Sequence[str]) -> None:
    """Lock these rows, in byte order. Who holds their lane's lock finds them as they were."""
    cursor.execute("SELECT FROM processing_inboxevent WHERE id = ANY(%s) ORDER BY id FOR UPDATE", (list(ids),))


def put_lane(cursor: Cursor, user_id: str, next_seq: int, set_back_from: int | None) -> None:
    """Set a (locked) lane. What waits there does so from now on: a gap of one that was set back has its whole time."""
    cursor.execute(
        f"""UPDATE processing_lane l SET next_seq = c.next_seq, set_back_from = %(back)s,
                  waiting_since = CASE WHEN f.seq IS NOT NULL THEN now() END, waits_for = {WHAT_FOR}
           FROM (SELECT %(user)s::text AS user_id, %(next)s::bigint AS next_seq) c
                LEFT JOIN LATERAL (
                  SELECT seq, status, waits_for FROM processing_inboxevent i
                  WHERE i.user_id = c.user_id AND i.seq >= c.next_seq AND (i.status = ANY(%(waiting)s)) IS TRUE
                  ORDER BY i.seq LIMIT 1) f ON true
           WHERE l.user_id = c.user_id""",
        {"user": user_id, "next": next_seq, "back": set_back_from, "waiting": WAITING_STATUSES},
    )


def lowest_waiting_id(cursor: Cursor, user_id: str, next_seq: int) -> str | None:
    """The first event that waits in a lane: a hint to a worker to release it."""
    cursor.execute(
        """SELECT id FROM processing_inboxevent WHERE user_id = %s AND seq >= %s AND (status = ANY(%s)) IS TRUE
           ORDER BY seq LIMIT 1""",
        (user_id, next_seq, WAITING_STATUSES),
    )
    row = cursor.fetchone()
    return None if row is None else row[0]
