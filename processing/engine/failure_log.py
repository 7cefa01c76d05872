"""A line of the log for each attempt that failed; the traceback of a cause comes once an hour."""

from __future__ import annotations

import time
from collections.abc import Sequence

import structlog

from processing.domain.failures import Cause, Failure, kind_of
from processing.domain.messages import Arrived
from processing.domain.outcomes import Outcome
from processing.domain.process import note_error
from processing.domain.traces import trace_of

HOUR_S = 3_600

log = structlog.get_logger(__name__)
_told: dict[Cause, float] = {}  # as many as the code has places that raise


def tell_failures(outcomes: Sequence[Outcome], now: float | None = None) -> None:
    """After their commit. What the error says is in the row only: it may hold an event's content."""
    for outcome in outcomes:
        if outcome.failure is not None:
            tell_failure(
                outcome.failure,
                "a handler failed on an event",
                now,
                id=outcome.event.id,
                user=outcome.event.user_id,
                kind=kind_of(outcome.event),
                attempt=outcome.attempts,
                becomes=str(outcome.status),
                **_place(outcome.arrival),
            )


def tell_failure(failure: Failure, what: str, now: float | None = None, **more: object) -> None:
    now = time.monotonic() if now is None else now
    note_error(failure.cause)
    line = log.bind(error_class=failure.cause.error_class, place=failure.cause.place)
    if failure.traceback and now - _told.get(failure.cause, -HOUR_S) >= HOUR_S:
        _told[failure.cause] = now
        line = line.bind(traceback=failure.traceback)
    line.warning(what, **more)


def _place(arrival: Arrived | None) -> dict[str, object]:
    """Where it stood, and its trace, as far as there are."""
    if arrival is None or (message := arrival.message).topic is None:
        return {}
    told: dict[str, object] = {"topic": message.topic, "partition": message.partition, "offset": message.offset}
    return told if message.traceparent is None else {**told, "trace_id": trace_of(message.traceparent)}
