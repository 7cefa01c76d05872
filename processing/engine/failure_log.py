"""A line of the log for each attempt that failed; the traceback of a cause comes once an hour."""

from __future__ import annotations

import time
from collections.abc import Sequence

import structlog

from processing.domain.failures import Cause, kind_of
from processing.domain.outcomes import Outcome
from processing.domain.process import note_error

HOUR_S = 3_600

log = structlog.get_logger(__name__)
_told: dict[Cause, float] = {}  # as many as the code has places that raise


def tell_failures(outcomes: Sequence[Outcome], now: float | None = None) -> None:
    """After their commit. What the error says is in the row only: it may hold an event's content."""
    now = time.monotonic() if now is None else now
    for outcome in outcomes:
        if (failure := outcome.failure) is None:
            continue
        note_error(failure.cause)
        line = log.bind(error_class=failure.cause.error_class, place=failure.cause.place)
        if failure.traceback and now - _told.get(failure.cause, -HOUR_S) >= HOUR_S:
            _told[failure.cause] = now
            line = line.bind(traceback=failure.traceback)
        line.warning(
            "a handler failed on an event",
            id=outcome.event.id,
            kind=kind_of(outcome.event),
            attempt=outcome.attempts,
            becomes=str(outcome.status),
        )
