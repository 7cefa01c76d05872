from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec

from processing.domain.envelope import Event
from processing.domain.statuses import Status


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What became of an event whose turn it was. `retry_in_ms` is set when it is retrying."""

    event: Event
    status: Status
    attempts: int
    error: str | None = None
    attempt_limit: int | None = None
    retry_in_ms: int | None = None
    drill: bool = False


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """An event whose turn it is. `limit`: the attempts after which it is failed, counted with those it had."""

    event: Event
    attempts: int = 0
    limit: int | None = None  # None: on arrival, the policy's
    chain: Hashable = None  # events of one chain wait for each other: a user's lane, or what was replayed together


@dataclass(frozen=True)
class OrderChange:
    """Seqs that a lane processed, and the lane's order version before and after. They follow all before them, except
    where `before` is None: then they came late."""

    user_id: str
    before: int | None
    after: int
    seqs: list[int]


@dataclass
class BatchResult:
    """What a transaction did, for those who act after it. Nothing of it is lost with the process: sweeps find it."""

    at: datetime = field(default_factory=lambda: outcome_time())
    worked: list[str] = field(default_factory=list)  # ids that were marked as being worked on
    arrived: list[Event] = field(default_factory=list)  # processed on arrival, with one attempt
    look_up: list[str] = field(default_factory=list)  # ids whose hot state is written from their rows
    orders: list[OrderChange] = field(default_factory=list)
    outbox_id: int | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    ready: set[str] = field(default_factory=set)  # users whose lane wants a turn
    held: int = 0
    skipped: int = 0
    poisoned: int = 0
    known: int = 0

    def count(self, status: Status) -> int:
        return sum(outcome.status is status for outcome in self.outcomes)

    @property
    def retries(self) -> list[tuple[str, int]]:
        """Ids that are to be tried again, and in how many milliseconds."""
        return [(o.event.id, o.retry_in_ms) for o in self.outcomes if o.retry_in_ms is not None]


def outcome_time() -> datetime:
    """The time of an outcome, in whole milliseconds, as it is told everywhere; rounded up, so never before the event
    was received."""
    moment = datetime.now(UTC)
    return moment + timedelta(microseconds=-moment.microsecond % 1000)
