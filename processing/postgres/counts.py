"""How many rows wait where. Each count reads a partial index of waiting rows, not the whole inbox."""

from __future__ import annotations

from datetime import datetime
from typing import LiteralString

from processing.domain.statuses import Status
from processing.postgres.inbox import WAITING_STATUSES
from processing.postgres.transaction import raw_cursor


def count_events(status: Status) -> int:
    """Count events of a status other than processed, for which there is no index."""
    return _count("SELECT count(*) FROM processing_inboxevent WHERE status = %s AND status <> 'processed'", status)


def count_open_dead_letters() -> int:
    return _count("SELECT count(*) FROM processing_deadletter WHERE discarded_at IS NULL")


def count_unpublished_dead_letters() -> int:
    return _count("SELECT count(*) FROM processing_deadletter WHERE published_at IS NULL")


def count_outbox() -> int:
    return _count("SELECT count(*) FROM processing_hotstateoutbox")


def count_waiting_lanes() -> dict[str, int]:
    """By what they wait for."""
    cursor = raw_cursor().execute(
        "SELECT waits_for, count(*) FROM processing_lane WHERE waiting_since IS NOT NULL GROUP BY 1"
    )
    return {waits_for: int(number) for waits_for, number in cursor if waits_for}


def any_parked() -> bool:
    cursor = raw_cursor().execute(
        "SELECT FROM processing_lane WHERE waits_for = 'park' AND waiting_since IS NOT NULL LIMIT 1"
    )
    return cursor.fetchone() is not None


def count_waiting_behind(user_id: str, seq: int, most: int) -> int:
    """How many events of a user wait behind that seq; it counts up to `most`."""
    return _count(
        """SELECT count(*) FROM (SELECT FROM processing_inboxevent
             WHERE user_id = %s AND seq > %s AND (status = ANY(%s)) IS TRUE LIMIT %s) w""",
        user_id,
        seq,
        WAITING_STATUSES,
        most,
    )


def open_dead_letters_by_reason() -> dict[str, int]:
    """As their groups have counted them."""
    cursor = raw_cursor().execute("SELECT reason, sum(open)::bigint FROM processing_failuregroup GROUP BY 1")
    return dict(cursor.fetchall())


def count_gaps() -> tuple[int, datetime | None]:
    """The number of lanes whose next seq is missing, and since when the first of them waits."""
    row = (
        raw_cursor()
        .execute(
            """SELECT count(*), min(l.waiting_since) FROM processing_lane l
               WHERE l.waits_for = 'gap' AND l.waiting_since IS NOT NULL AND NOT EXISTS (
                 SELECT FROM processing_inboxevent i
                 WHERE i.user_id = l.user_id AND i.seq = l.next_seq AND (i.status = ANY(%s)) IS TRUE)""",
            (WAITING_STATUSES,),
        )
        .fetchone()
    )
    assert row is not None
    return int(row[0]), row[1]


def _count(statement: LiteralString, *parameters: object) -> int:
    row = raw_cursor().execute(statement, parameters).fetchone()
    assert row is not None
    return int(row[0])
