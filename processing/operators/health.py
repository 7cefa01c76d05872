"""What is wrong with processing, in words, for `/health/ready`."""

from __future__ import annotations

from processing.engine import circuit_breaker
from processing.operators import losses
from processing.postgres.transaction import retry_transient


def degraded() -> list[str]:
    """What is wrong and hinders no web process, a line for each cause; asks Postgres. Raises `StoppedError`."""
    return retry_transient(lambda: [*_stopped(), *losses.degraded()], patience_s=0)


def _stopped() -> list[str]:
    reason = circuit_breaker.open_reason()
    return [] if reason is None else [f"the intake is stopped: {reason}"]
