"""What is wrong with processing, in words, for `/health/ready`. No event's content is told."""

from __future__ import annotations

from processing.domain.kinds import KindState
from processing.operators import losses
from processing.operators.kinds import describe
from processing.postgres.kinds import find_kinds
from processing.postgres.transaction import retry_transient


def degraded() -> list[str]:
    """What is wrong and hinders no web process, a line for each cause; asks Postgres. Raises `StoppedError`."""
    return retry_transient(lambda: [*_stopped_kinds(), *losses.degraded()], patience_s=0)


def _stopped_kinds() -> list[str]:
    return [
        f"{describe(row.name)} is stopped since {row.since:%Y-%m-%d %H:%M:%S} UTC: {row.reason}"
        + (f"; the last: {row.error_class} in {row.error_place}" if row.error_class else "")
        for row in find_kinds()
        if row.state is KindState.STOPPED
    ]
