"""What a request hands to the gate, and what it gets back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from ingest.parsing.candidate import Candidate

LATE = "Kafka has not acknowledged it in time: send it again with this eventId or the same Idempotency-Key"
OTHER_CONTENT = "this id stands for another event already, with other data: give each event an id of its own"
KEY_LIMITED = "the API key's rate limit is used up: try again later"
BUSY = "the server was busy for too long"


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


class Truth(StrEnum):
    """What is known of an event that is not answered as accepted."""

    NONE = "none"  # the producer was not called, or refused: the same may be sent again
    UNKNOWN = "unknown"  # it may be on Kafka, now or later: only the same id or key counts once


class Outcome(msgspec.Struct, gc=False):
    """`event_id` is the one to answer with: the first event's for a duplicate or conflict."""

    status: Status
    event_id: str
    error: str = ""
    truth: Truth | None = None  # of what is unavailable or pending


def unavailable(event: Candidate, error: str, truth: Truth) -> Outcome:
    return Outcome(Status.UNAVAILABLE, event.id, error, truth)


@dataclass(frozen=True)
class KeyLimit:
    """How many events a second an API key may send, and the window in Redis that counts them; 0: any."""

    window: str = ""
    events: int = 0


NO_LIMIT = KeyLimit()


@dataclass(slots=True, eq=False)
class Submission:
    """One request's events on their way through the gate. `on_done` is called once every outcome is there, or again.

    The request waits until its deadline. What the producer has by then goes on without it; the rest is withdrawn.
    """

    token: str  # this attempt's own: what it reserves in Redis bears it
    request: str  # the request's own, the same in all its attempts: it counts for its address once
    candidates: Sequence[Candidate]
    traceparent: str
    deadline: float  # time.monotonic(): the client's; the producer's is longer
    address: str = ""  # to be counted for it; empty: it is not
    counts: bool = False  # counts for its address whatever becomes of its events
    asked_user: str = ""  # whose remaining limit the answer shall tell
    key_limit: KeyLimit = NO_LIMIT
    outcomes: list[Outcome | None] = field(default_factory=list)
    remaining: int | None = None  # units of the rate limit; None: no limit, or not asked
    key_remaining: int | None = None  # of the API key's limit
    address_over_limit: bool = False
    claimed: bool = False  # the producer is called for it: what has no outcome may be on Kafka
    withdrawn: bool = False  # the request has gone before that: the producer must not be called
    on_done: Callable[[], object] = bool  # called by any thread; at first nobody waits
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def claim(self) -> bool:
        """Whether the producer may be called for it: its request still waits."""
        with self._lock:
            self.claimed = not self.withdrawn
            return self.claimed

    def withdraw(self) -> bool:
        """Whether it is certain that the producer was not called for it, and will not be."""
        with self._lock:
            self.withdrawn = not self.claimed
            return self.withdrawn

    def fail(self, error: str) -> None:
        """Whatever has no outcome yet gets none."""
        truth = Truth.NONE if self.withdraw() else Truth.UNKNOWN
        self.outcomes = [*self.outcomes_by_now(error, truth)]
        self.on_done()

    def outcomes_by_now(self, error: str, truth: Truth) -> list[Outcome]:
        """An outcome for each event: this one for those that have none."""
        known: Sequence[Outcome | None] = self.outcomes or [None] * len(self.candidates)
        return [
            outcome or unavailable(event, error, truth) for event, outcome in zip(self.candidates, known, strict=True)
        ]
