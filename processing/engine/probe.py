"""The probe of an open circuit breaker: one waiting event is tried; if it succeeds, the intake goes on."""

from __future__ import annotations

import structlog
from django.conf import settings

from processing.domain.outcomes import BatchResult
from processing.domain.statuses import Status
from processing.engine import circuit_breaker
from processing.engine.handlers import retry_policy
from processing.engine.release import release_lanes, retry_events
from processing.postgres import circuit_breaker as row
from processing.postgres.due import lanes_and_ids

log = structlog.get_logger(__name__)


def probe() -> BatchResult | None:
    """Try one waiting event if it is time to; close the breaker if that succeeds, or if nothing waits.

    Returns the result of the transaction, None if it was not time yet or nothing waits.
    """
    if not _claim_probe():
        return None
    candidate = row.make_candidate_due(injected_failures=settings.FAULT_INJECTION)
    if candidate is None:
        circuit_breaker.close("no event waits for a retry any more")
        return None
    users, ids = lanes_and_ids([candidate])
    result = release_lanes(users) if users else retry_events(ids)
    succeeded = any(outcome.status is Status.PROCESSED for outcome in result.outcomes)
    log.warning("tried one waiting event while the intake is stopped", id=candidate, succeeded=succeeded)
    if succeeded:
        circuit_breaker.close("an event that had waited was processed")
    return result


def _claim_probe() -> bool:
    """Several consumers share one schedule, whose pauses grow as those of retries do."""
    probes = row.count_probes()
    return probes is not None and row.claim_probe(probes, retry_policy().delay_ms(probes + 2))
