"""What a request hands to the gate, and what it gets back."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from ingest.parsing.candidate import Candidate


class Status(StrEnum):
    """What became of an event at the door."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    RATE_LIMITED = "rate_limited"
    INVALID = "invalid"
    UNAVAILABLE = "unavailable"
    PENDING = "pending"  # another request is publishing the same; never answered to a client
    UNSETTLED = "unsettled"  # accepted before and not yet final: a duplicate unless it was lost; never answered either


@dataclass(slots=True)
class Outcome:
    """`event_id` is the one to answer with: the first event's for a duplicate or conflict."""

    status: Status
    event_id: str
    error: str = ""


@dataclass(slots=True, eq=False)
class Submission:
    """One request's events on their way through the gate. `done` is set once every outcome is there."""

    token: str  # this attempt's own: what it reserves in Redis bears it
    request: str  # the request's own, the same in all its attempts: it counts for its address once
    candidates: Sequence[Candidate]
    traceparent: str
    deadline: float  # time.monotonic(): after it the gate does not begin with it any more
    address: str = ""  # to be counted for it; empty: it is not
    counts: bool = False  # counts for its address whatever becomes of its events
    asked_user: str = ""  # whose remaining limit the answer shall tell
    outcomes: list[Outcome | None] = field(default_factory=list)
    remaining: int | None = None  # units of the rate limit; None: no limit, or not asked
    address_over_limit: bool = False
    error: str = ""  # why the gate could not do its work
    done: threading.Event = field(default_factory=threading.Event)

    def fail(self, error: str) -> None:
        """Nothing of it was published, or it cannot be told."""
        self.error = error
        self.outcomes = [Outcome(Status.UNAVAILABLE, event.id, error) for event in self.candidates]
        self.done.set()
