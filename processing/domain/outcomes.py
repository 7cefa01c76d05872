"""What becomes of events: the attempts that a transaction makes, their outcomes, and what follows its commit.

Results are frozen: a transaction makes one at its end, and the code that follows its commit reads it.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import msgspec

from processing.domain.envelope import Event
from processing.domain.failures import Failure
from processing.domain.statuses import Status


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """An event to be run. `limit`: the attempts after which it is failed, earlier ones included.

    Events with the same `ordering_key` wait for each other: those of a user's lane, or those replayed together.
    """

    event: Event
    attempts: int = 0
    limit: int | None = None  # None: on arrival, the policy's
    ordering_key: Hashable = None


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What an attempt made of its event. `retry_in_ms` is set when it is retrying."""

    event: Event
    status: Status
    attempts: int
    failure: Failure | None = None
    attempt_limit: int | None = None
    retry_in_ms: int | None = None
    injected: bool = False  # the failure was asked for, by `payload.fail`


def unhappy(outcomes: Iterable[Outcome]) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.status is not Status.PROCESSED]


@dataclass(frozen=True)
class OrderChange:
    """Seqs that a lane processed, and the lane's order version before and after.

    They follow all seqs before them, except where `before` is None: then they came late.
    """

    user_id: str
    before: int | None
    after: int
    seqs: Sequence[int]


@dataclass(frozen=True)
class HotStateUpdate:
    """What Redis is to hold after a transaction.

    `arrived` were processed on arrival, with one attempt, at `at`; `refresh` are ids whose hot state is written from
    their rows, be they final or not. `outbox_id` names the row of the outbox that the write deletes; the sweeper writes
    the hot state of rows that are left.
    """

    at: datetime | None = None  # of what arrived
    arrived: Sequence[Event] = ()
    refresh: Sequence[str] = ()
    orders: Sequence[OrderChange] = ()
    outbox_id: int | None = None
    made_at: float = field(default_factory=time.monotonic)  # seconds: tells a write that comes late

    def __bool__(self) -> bool:
        return bool(self.arrived or self.refresh or self.orders)


@dataclass(frozen=True)
class BatchResult:
    """What a transaction did. If the process dies with it, the sweeper finds all of it in Postgres.

    `ready` are the users whose lanes can release more. `held`, `skipped` and `far` (a seq too far ahead) count events
    that were on arrival.
    """

    hot_state: HotStateUpdate
    outcomes: Sequence[Outcome] = ()
    ready: frozenset[str] = frozenset()
    held: int = 0
    skipped: int = 0
    far: int = 0
    poisons: int = 0
    duplicates: int = 0
    passed: int = 0  # gaps

    @cached_property
    def unhappy(self) -> list[Outcome]:
        """Those that are not processed: few, of many."""
        return unhappy(self.outcomes)

    def count(self, status: Status) -> int:
        if status is Status.PROCESSED:
            return len(self.outcomes) - len(self.unhappy)
        return sum(outcome.status is status for outcome in self.unhappy)

    @property
    def retries(self) -> list[tuple[str, int]]:
        """Ids that are to be tried again, and in how many milliseconds."""
        return [(o.event.id, o.retry_in_ms) for o in self.unhappy if o.retry_in_ms is not None]

    def counts(self) -> dict[str, int]:
        """How many events became what, for a line of the log; what is 0 is left out."""
        counts = {
            "processed": self.count(Status.PROCESSED),
            "held": self.held,
            "retrying": self.count(Status.RETRYING),
            "failed": self.count(Status.FAILED),
            "skipped": self.skipped,
            "too far ahead": self.far,
            "poison": self.poisons,
            "duplicates": self.duplicates,
        }
        return {name: count for name, count in counts.items() if count}
