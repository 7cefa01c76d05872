from __future__ import annotations

from django.conf import settings

from processing.domain.outcomes import BatchResult
from processing.domain.statuses import Status
from processing.engine.circuit_breaker import THE_ROW, close, log
from processing.engine.handlers import retry_policy
from processing.engine.release import release_lanes, retry_events
from processing.postgres.due import lanes_and_ids
from processing.postgres.transaction import raw_cursor


def probe() -> BatchResult | None:
    """Try one waiting event if it is time to; close the breaker if that succeeds, or if nothing waits.

    Returns what was settled, None if it was not time yet or nothing waits.
    """
    probes = _claim_probe()
    if probes is None:
        return None
    candidate = _next_candidate()
    if candidate is None:
        close("no event waits for a retry any more")
        return None
    users, free = lanes_and_ids(raw_cursor(), [candidate])
    settled = release_lanes(users) if users else retry_events(free)
    succeeded = any(outcome.status is Status.PROCESSED for outcome in settled.outcomes)
    log.warning("tried one waiting event while the intake is stopped", id=candidate, succeeded=succeeded)
    if succeeded:
        close("an event that had waited was processed")
    return settled


def _claim_probe() -> int | None:
    """Take the next probe; several consumers share one schedule. Returns its number, None if it is not time."""
    row = raw_cursor().execute("SELECT probes FROM processing_circuitbreaker WHERE id = %s", (THE_ROW,)).fetchone()
    if row is None:
        return None
    probes = int(row[0])
    cursor = raw_cursor().execute(
        """UPDATE processing_circuitbreaker SET probes = probes + 1, next_probe_at = now() + %s * interval '1 millisecond'
           WHERE id = %s AND probes = %s AND next_probe_at <= now()""",
        (retry_policy().delay_ms(probes + 2), THE_ROW, probes),
    )
    return probes if cursor.rowcount else None


def _next_candidate() -> str | None:
    """The waiting event that was tried least, made due. Drills would say nothing of the handlers."""
    row = (
        raw_cursor()
        .execute(
            """UPDATE processing_inboxevent SET next_attempt_at = now() WHERE id = (
                 SELECT id FROM processing_inboxevent WHERE status = %(retrying)s AND family <> ''
                   AND NOT (%(drills)s AND (payload::json -> 'fail')::text IS NOT DISTINCT FROM 'true')
                 ORDER BY attempts, next_attempt_at LIMIT 1) AND status = %(retrying)s RETURNING id""",
            {"retrying": Status.RETRYING, "drills": settings.FAULT_INJECTION},
        )
        .fetchone()
    )
    return row[0] if row else None
