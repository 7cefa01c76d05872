"""What is wrong with processing, in words, for `/health/ready`."""

from __future__ import annotations

from processing.engine import circuit_breaker


def problems() -> list[str]:
    """Empty when processing goes on; asks Postgres."""
    reason = circuit_breaker.open_reason()
    return [] if reason is None else [f"the intake is stopped: {reason}"]
