"""Sessions whose client stands still in the middle of a statement, which no timeout of Postgres ends before version 17.

A statement and its parameters are several messages, and libpq sends what is larger than 8 KiB in parts. A client that
is frozen, or cut off, in between leaves a session that is not idle: it keeps its locks for as long as its connection
stands. So those that wait for such a lock have it ended.
"""

from __future__ import annotations

from dataclasses import dataclass

from processing.postgres.backend.base import IDLE_IN_TRANSACTION_TIMEOUT
from processing.postgres.transaction import raw_cursor


@dataclass(frozen=True)
class Ended:
    """A session that was ended: the server's process, and since when nothing came from its client."""

    pid: int
    stood_s: int


def end_standing_sessions(after: str = IDLE_IN_TRANSACTION_TIMEOUT) -> list[Ended]:
    """End those that stand still for longer than `after`, an interval, while others wait for their locks.

    Of this database, and of roles whose sessions ours may end. Not a COPY, of which Postgres does not tell when its
    client was last heard.
    """
    cursor = raw_cursor().execute(
        """WITH standing AS MATERIALIZED (
             SELECT pid, extract(epoch FROM clock_timestamp() - state_change)::int AS stood_s
             FROM pg_stat_activity
             WHERE datname = current_database() AND pg_has_role(usesysid, 'USAGE')
               AND state = 'active' AND wait_event IN ('ClientRead', 'ClientWrite') AND query !~* '^\\s*copy\\M'
               AND state_change < clock_timestamp() - %s::interval
               AND pid IN (SELECT unnest(pg_blocking_pids(w.pid)) FROM pg_stat_activity w
                           WHERE w.wait_event_type = 'Lock'))
           SELECT pid, stood_s, pg_terminate_backend(pid) FROM standing""",
        (after,),
    )
    return [Ended(pid, stood_s) for pid, stood_s, ended in cursor if ended]
