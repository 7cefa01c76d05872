"""Sessions whose client stands still in the middle of a statement, where no timeout that we may set ends them.

A statement and its parameters are several messages, and libpq sends what is larger than 8 KiB in parts. A client that
is frozen, or cut off, in between leaves a session that is not idle: it keeps its locks for as long as its connection
stands, and those who only try a lock, or skip a locked row, leave its work to it.
"""

from __future__ import annotations

from dataclasses import dataclass

from processing.postgres.transaction import raw_cursor

# Postgres tells since when a session is in its message, not how much of it has come: a large one over a slow line looks
# as a frozen client's does, and would be ended each time it is sent again.
STANDSTILL = "30s"


@dataclass(frozen=True)
class Ended:
    """A session that was ended: the server's process, and for how long it had been in its message."""

    pid: int
    seconds: int


def end_standing_sessions(after: str = STANDSTILL) -> list[Ended]:
    """End those of this role, in this database, that have been in a message for longer than `after`, an interval, and
    wait for its rest; or for the reader of its result, while others wait for their locks.

    Not one whose text names a COPY, which may well be read or sent for hours.
    """
    cursor = raw_cursor().execute(
        r"""WITH standing AS MATERIALIZED (
              SELECT pid, extract(epoch FROM clock_timestamp() - state_change)::int AS seconds
              FROM pg_stat_activity
              WHERE datname = current_database() AND usename = session_user
                AND state_change < clock_timestamp() - %s::interval AND query !~* '\mcopy\M'
                AND (state = 'active' AND wait_event = 'ClientRead'
                     OR wait_event = 'ClientWrite'
                        AND pid IN (SELECT unnest(pg_blocking_pids(w.pid)) FROM pg_locks w WHERE NOT granted)))
            SELECT pid, seconds, pg_terminate_backend(pid) FROM standing""",
        (after,),
    )
    return [Ended(pid, seconds) for pid, seconds, ended in cursor if ended]
