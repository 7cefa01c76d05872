"""The breaker: when handlers keep failing, as after a bad deploy, the intake stops before it fails everything.

While its row is there, consumers take nothing new and retries wait; consumers try one waiting event at a time.
"""

from __future__ import annotations

import structlog
from django.conf import settings

from processing.domain.failure_window import FailureWindow
from processing.domain.outcomes import BatchResult
from processing.engine.handlers import retry_policy
from processing.models import CircuitBreaker
from processing.postgres.transaction import raw_cursor

THE_ROW = 1

log = structlog.get_logger(__name__)


def new_window() -> FailureWindow:
    return FailureWindow(settings.FAILURE_LIMIT_IN_A_ROW, settings.FAILURE_LIMIT_PERCENT, settings.FAILURE_WINDOW)


def open_reason() -> str | None:
    """Why the intake is stopped; None when it is not."""
    row = raw_cursor().execute("SELECT reason FROM processing_circuitbreaker WHERE id = %s", (THE_ROW,)).fetchone()
    return row[0] if row else None


def observe(window: FailureWindow, settled: BatchResult) -> None:
    """Count what a transaction has settled, and stop the intake if that is too much."""
    reason = window.observe(settled.outcomes)
    if reason is None:
        return
    window.forget()
    last = next((o.error for o in reversed(settled.outcomes) if o.error is not None), "")
    delay = retry_policy().delay_ms(1)
    cursor = raw_cursor().execute(
        """INSERT INTO processing_circuitbreaker (id, reason, next_probe_at) VALUES (%s, %s, now() + %s * interval '1 millisecond')
           ON CONFLICT (id) DO NOTHING""",
        (THE_ROW, f"{reason}; the last: {last}", delay),
    )
    if cursor.rowcount:
        log.error("stopped the intake: handlers keep failing; waiting events are tried one at a time", reason=reason)


def close(why: str) -> None:
    CircuitBreaker.objects.filter(id=THE_ROW).delete()
    log.warning("the intake goes on", why=why)
