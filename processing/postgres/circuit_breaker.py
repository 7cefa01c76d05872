"""The SQL of the circuit breaker: its one row, which is there while it is open."""

from __future__ import annotations

from processing.domain.statuses import Status
from processing.postgres.transaction import raw_cursor

THE_ROW = 1


def find_reason() -> str | None:
    """Why the breaker is open; None when it is closed."""
    cursor = raw_cursor().execute("SELECT reason FROM processing_circuitbreaker WHERE id = %s", (THE_ROW,))
    row = cursor.fetchone()
    return row[0] if row else None


def insert(reason: str, first_probe_in_ms: int) -> bool:
    """Open the breaker; False if it is open already."""
    cursor = raw_cursor().execute(
        """INSERT INTO processing_circuitbreaker (id, reason, next_probe_at)
           VALUES (%s, %s, now() + %s * interval '1 millisecond') ON CONFLICT (id) DO NOTHING""",
        (THE_ROW, reason, first_probe_in_ms),
    )
    return cursor.rowcount == 1


def delete() -> None:
    raw_cursor().execute("DELETE FROM processing_circuitbreaker WHERE id = %s", (THE_ROW,))


def count_probes() -> int | None:
    """The number of probes since the breaker opened; None when it is closed."""
    row = raw_cursor().execute("SELECT probes FROM processing_circuitbreaker WHERE id = %s", (THE_ROW,)).fetchone()
    return int(row[0]) if row else None


def claim_probe(probes: int, next_in_ms: int) -> bool:
    """Claim the probe after this many, if it is due and no other process has claimed it."""
    cursor = raw_cursor().execute(
        """UPDATE processing_circuitbreaker SET probes = probes + 1,
                  next_probe_at = now() + %s * interval '1 millisecond'
           WHERE id = %s AND probes = %s AND next_probe_at <= now()""",
        (next_in_ms, THE_ROW, probes),
    )
    return cursor.rowcount == 1


def make_candidate_due(*, injected_failures: bool) -> str | None:
    """Make the retrying event with the fewest attempts due; returns its id. With `injected_failures`, skip events whose
    sender asked for the failure: they say nothing of the handlers."""
    cursor = raw_cursor().execute(
        """UPDATE processing_inboxevent SET next_attempt_at = now() WHERE id = (
             SELECT id FROM processing_inboxevent WHERE status = %(retrying)s AND family <> ''
               AND NOT (%(injected)s AND (payload::json -> 'fail')::text IS NOT DISTINCT FROM 'true')
             ORDER BY attempts, next_attempt_at LIMIT 1) AND status = %(retrying)s RETURNING id""",
        {"retrying": Status.RETRYING, "injected": injected_failures},
    )
    row = cursor.fetchone()
    return row[0] if row else None
