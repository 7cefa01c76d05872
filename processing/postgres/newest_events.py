"""The newest events that match: along one index, and so many rows at most, however large the inbox and rare the match.

The planner takes rows that match to be spread evenly over time: for the newest of a user who has sent nothing since
last year it would walk the index of all events. `= ANY` keeps a column in the order, which only its own index then has.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from processing.domain.statuses import Status
from processing.postgres.transaction import raw_cursor

LOOKED_AT = 5_000  # newest events along an index, of which some match what it does not have

# the columns of an index and the order in which it is read, the one that leaves the fewest rows first
PATHS = (
    (("user_id",), "user_id, received_at DESC"),
    (("waits_for",), "waits_for DESC, arrival DESC"),
    (("family", "status"), "family, status, received_at DESC"),
    (("status",), "status DESC, received_at DESC"),
    (("type",), "type, received_at DESC"),
    ((), "received_at DESC"),
)


@dataclass(frozen=True)
class Wanted:
    """Of events; None: any. `family` may be empty: of events without one."""

    user_id: str | None = None
    family: str | None = None
    type: str | None = None
    status: str | None = None
    waits_for: str | None = None
    since: datetime | None = None

    def equal(self) -> dict[str, str]:
        columns = {name: getattr(self, name) for name in ("user_id", "family", "type", "status", "waits_for")}
        return {name: value for name, value in columns.items() if value is not None}


class NewestEvent(NamedTuple):
    id: str
    received_at: datetime
    status: str
    family: str
    type: str
    user_id: str
    seq: int | None
    attempts: int
    error: str | None


def newest_events(wanted: Wanted, most: int, skip: int = 0) -> list[NewestEvent]:
    """The next `most` behind the first `skip`; only those among the newest LOOKED_AT where `is_bounded`."""
    path, order = _path(wanted)
    rest = sorted(wanted.equal().keys() - set(path))
    inner = [f"{name} = ANY (ARRAY[%({name})s::text])" for name in path]
    inner += [] if wanted.since is None else ["received_at >= %(since)s"]
    along = f"""SELECT {", ".join(NewestEvent._fields)} FROM processing_inboxevent {_where(inner)} ORDER BY {order}"""
    if rest:
        outer = _where([f"{name} = %({name})s" for name in rest])
        along = f"SELECT * FROM ({along} LIMIT {LOOKED_AT}) newest {outer}"
    cursor = raw_cursor().execute(
        f"{along} LIMIT %(most)s OFFSET %(skip)s",
        {**wanted.equal(), "since": wanted.since, "most": most, "skip": skip},
    )
    return [NewestEvent(*row) for row in cursor]


def is_bounded(wanted: Wanted) -> bool:
    """Whether some that match may be older than those that are looked at: no index has all that is wanted."""
    return wanted.equal().keys() != set(_path(wanted)[0])


def _path(wanted: Wanted) -> tuple[tuple[str, ...], str]:
    """What was processed, nearly all, is in no index by its status."""
    known = wanted.equal().keys() - ({"status"} if wanted.status == Status.PROCESSED else set())
    return next((columns, order) for columns, order in PATHS if known >= set(columns))


def _where(conditions: list[str]) -> str:
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""
