"""What becomes of events: the attempts that a transaction makes, their outcomes, and what follows its commit.

Results are frozen: a transaction makes one at its end, and the code that follows its commit reads it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import msgspec

from processing.domain.effects import FOLLOW_UP, Effect
from processing.domain.envelope import Event
from processing.domain.failures import Failure
from processing.domain.messages import Arrived
from processing.domain.statuses import Status
from processing.domain.tally import OUTCOMES, Tally, total


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """An event to be run. `limit`: the attempts after which it is failed, earlier ones included.

    Events with the same `ordering_key` wait for each other: those of a user's lane, or those replayed together.
    """

    event: Event
    attempts: int = 0
    limit: int | None = None  # None: on arrival, the policy's
    ordering_key: Hashable = None
    since: int | None = None  # Unix ms: since when its outcome is waited for; None: as its message says
    arrival: Arrived | None = None  # its message, for logs and traces, is made when it is asked for

    @property
    def in_lane(self) -> bool:
        """Whether its lane moves by it; one that is replayed after its lane has passed it takes effect late."""
        return self.event.seq is not None and self.ordering_key == self.event.user_id


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What an attempt made of its event. `retry_in_ms` is set when it is retrying."""

    event: Event
    status: Status
    attempts: int
    failure: Failure | None = None
    attempt_limit: int | None = None
    retry_in_ms: int | None = None
    injected: bool = False  # the failure was asked for, by `payload.fail`
    parks: bool = False  # its lane stands on it from now on
    effects: Sequence[Effect] = ()
    arrival: Arrived | None = None


def unhappy(outcomes: Iterable[Outcome]) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.status is not Status.PROCESSED]


def effects_of(outcomes: Iterable[Outcome]) -> list[Effect]:
    return [effect for outcome in outcomes for effect in outcome.effects]


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

    `ready` are the users whose lanes can release more. `began`: when the tries did.
    """

    hot_state: HotStateUpdate
    outcomes: Sequence[Outcome] = ()
    ready: frozenset[str] = frozenset()
    tally: Tally = field(default_factory=Counter)
    began: datetime | None = None

    @cached_property
    def unhappy(self) -> list[Outcome]:
        """Those that are not processed: few, of many."""
        return unhappy(self.outcomes)

    def count(self, what: str) -> int:
        return total(self.tally, what)

    @property
    def retries(self) -> list[tuple[str, int]]:
        """Ids that are to be tried again, and in how many milliseconds."""
        return [(o.event.id, o.retry_in_ms) for o in self.unhappy if o.retry_in_ms is not None]

    def count_effects(self) -> tuple[int, int]:
        """The tasks, and the follow-ups, that its events have left."""
        effects = effects_of(self.outcomes)
        follow_ups = sum(each.name == FOLLOW_UP for each in effects)
        return len(effects) - follow_ups, follow_ups

    def counts(self) -> dict[str, int]:
        """How many events became what, for a line of the log; what is 0 is left out."""
        counts = {outcome: self.count(outcome) for outcome in OUTCOMES}
        return {outcome: number for outcome, number in counts.items() if number}
