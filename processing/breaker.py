"""The breaker: when handlers keep failing, as after a bad deploy, the intake stops before it fails everything.

While its row is there, consumers take nothing new and retries wait; consumers try one waiting event at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import structlog
from django.conf import settings

from processing import waiting
from processing.apply import Outcome, retry_policy
from processing.models import Breaker
from processing.settle import Settled, retry_free, take_turns
from processing.statuses import Status
from processing.store import raw_cursor

THE_ROW = 1

log = structlog.get_logger(__name__)


@dataclass
class FailureWindow:
    """The last handler runs of this process. Drills (`payload.fail`) and events without a family do not count.

    `limit_in_a_row` and `limit_percent` (of `size` runs); 0 turns a limit off.
    """

    limit_in_a_row: int
    limit_percent: int
    size: int
    in_a_row: int = 0
    recent: deque[bool] = field(default_factory=deque)

    def observe(self, outcomes: Iterable[Outcome]) -> str | None:
        """Count these; returns why the intake is to stop, if it is."""
        longest = self.in_a_row
        for outcome in outcomes:
            if not outcome.event.family or outcome.drill or outcome.status is Status.HELD:
                continue
            failed = outcome.error is not None
            self.in_a_row = self.in_a_row + 1 if failed else 0
            longest = max(longest, self.in_a_row)
            self.recent.append(failed)
        while len(self.recent) > self.size:
            self.recent.popleft()
        failures = sum(self.recent)
        if 0 < self.limit_in_a_row <= longest:
            return f"{longest} handler runs failed in a row (limit {self.limit_in_a_row}, FAILURE_LIMIT_IN_A_ROW)"
        if self.limit_percent and self.size and failures * 100 >= self.limit_percent * self.size:
            return (
                f"{failures} of the last {len(self.recent)} handler runs failed (limit {self.limit_percent} % of "
                f"{self.size}, FAILURE_LIMIT_PERCENT and FAILURE_WINDOW)"
            )
        return None

    def forget(self) -> None:
        self.in_a_row = 0
        self.recent.clear()


def new_window() -> FailureWindow:
    return FailureWindow(settings.FAILURE_LIMIT_IN_A_ROW, settings.FAILURE_LIMIT_PERCENT, settings.FAILURE_WINDOW)


def open_reason() -> str | None:
    """Why the intake is stopped; None when it is not."""
    row = raw_cursor().execute("SELECT reason FROM breaker WHERE id = %s", (THE_ROW,)).fetchone()
    return row[0] if row else None


def observe(window: FailureWindow, settled: Settled) -> None:
    """Count what a transaction has settled, and stop the intake if that is too much."""
    reason = window.observe(settled.outcomes)
    if reason is None:
        return
    window.forget()
    last = next((o.error for o in reversed(settled.outcomes) if o.error is not None), "")
    delay = retry_policy().delay_ms(1)
    cursor = raw_cursor().execute(
        """INSERT INTO breaker (id, reason, next_probe_at) VALUES (%s, %s, now() + %s * interval '1 millisecond')
           ON CONFLICT (id) DO NOTHING""",
        (THE_ROW, f"{reason}; the last: {last}", delay),
    )
    if cursor.rowcount:
        log.error("stopped the intake: handlers keep failing; waiting events are tried one at a time", reason=reason)


def probe() -> Settled | None:
    """Try one waiting event if it is time to; close the breaker if that succeeds, or if nothing waits.

    Returns what was settled, None if it was not time yet or nothing waits.
    """
    probes = _claim_probe()
    if probes is None:
        return None
    candidate = _next_candidate()
    if candidate is None:
        _close("no event waits for a retry any more")
        return None
    users, free = waiting.owners(raw_cursor(), [candidate])
    settled = take_turns(users) if users else retry_free(free)
    succeeded = any(outcome.status is Status.PROCESSED for outcome in settled.outcomes)
    log.warning("tried one waiting event while the intake is stopped", id=candidate, succeeded=succeeded)
    if succeeded:
        _close("an event that had waited was processed")
    return settled


def _claim_probe() -> int | None:
    """Take the next probe; several consumers share one schedule. Returns its number, None if it is not time."""
    row = raw_cursor().execute("SELECT probes FROM breaker WHERE id = %s", (THE_ROW,)).fetchone()
    if row is None:
        return None
    probes = int(row[0])
    cursor = raw_cursor().execute(
        """UPDATE breaker SET probes = probes + 1, next_probe_at = now() + %s * interval '1 millisecond'
           WHERE id = %s AND probes = %s AND next_probe_at <= now()""",
        (retry_policy().delay_ms(probes + 2), THE_ROW, probes),
    )
    return probes if cursor.rowcount else None


def _next_candidate() -> str | None:
    """The waiting event that was tried least, made due. Drills would say nothing of the handlers."""
    row = (
        raw_cursor()
        .execute(
            """UPDATE inbox SET next_attempt_at = now() WHERE id = (
                 SELECT id FROM inbox WHERE status = %(retrying)s AND family <> ''
                   AND NOT (%(drills)s AND (payload::json -> 'fail')::text IS NOT DISTINCT FROM 'true')
                 ORDER BY attempts, next_attempt_at LIMIT 1) AND status = %(retrying)s RETURNING id""",
            {"retrying": Status.RETRYING, "drills": settings.FAULT_INJECTION},
        )
        .fetchone()
    )
    return row[0] if row else None


def _close(why: str) -> None:
    Breaker.objects.filter(id=THE_ROW).delete()
    log.warning("the intake goes on", why=why)
