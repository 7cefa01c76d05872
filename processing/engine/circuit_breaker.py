"""The circuit breaker: when handlers keep failing, as after a bad deploy, the intake stops before it fails everything.

While it is open, consumers take nothing new and retries wait; consumers try one waiting event at a time (`probe`).
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from django.conf import settings

from processing.domain.failure_window import FailureWindow
from processing.domain.outcomes import Outcome
from processing.engine.handlers import retry_policy
from processing.postgres import circuit_breaker as row

log = structlog.get_logger(__name__)


def new_window() -> FailureWindow:
    return FailureWindow(settings.FAILURE_LIMIT_IN_A_ROW, settings.FAILURE_LIMIT_PERCENT, settings.FAILURE_WINDOW)


def open_reason() -> str | None:
    """Why the intake is stopped; None when it is not."""
    return row.find_reason()


def observe(window: FailureWindow, outcomes: Sequence[Outcome]) -> None:
    """Count the outcomes of a transaction, and stop the intake if too many failed."""
    reason = window.observe(outcomes)
    if reason is None:
        return
    last = next((outcome.error for outcome in reversed(outcomes) if outcome.error is not None), "")
    error_class = last.partition(":")[0]  # no more of it: health answers and alerts hold no event's content
    opened = row.insert(f"{reason}; the last: {error_class}", retry_policy().delay_ms(1))
    window.forget()
    if opened:
        log.error("stopped the intake: handlers keep failing; waiting events are tried one at a time", reason=reason)


def close(why: str) -> None:
    row.delete()
    log.warning("the intake goes on", why=why)
