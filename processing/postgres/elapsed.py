"""Time that passes for a test of handlers: all that waits becomes so much older."""

from __future__ import annotations

from processing.postgres.inbox import WAITING_STATUSES
from processing.postgres.transaction import raw_cursor


def let_pass(seconds: float) -> None:
    """As if what waits had begun to wait so much earlier."""
    cursor = raw_cursor()
    cursor.execute(
        """UPDATE processing_inboxevent SET received_at = received_at - %(by)s * interval '1 second',
                  next_attempt_at = next_attempt_at - %(by)s * interval '1 second'
           WHERE status = ANY(%(waiting)s)""",
        {"by": seconds, "waiting": WAITING_STATUSES},
    )
    cursor.execute(
        "UPDATE processing_effect SET due_at = due_at - %s * interval '1 second' WHERE status = 'waiting'", (seconds,)
    )
    cursor.execute("UPDATE processing_lane SET waiting_since = waiting_since - %s * interval '1 second'", (seconds,))
