"""Sweeps: what finds whatever was left waiting, because a process died, a hint was lost or Redis was emptied.

Each is bounded and can run any number of times, anywhere, at once.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from django.conf import settings

from processing import breaker, hot_state, kafka, waiting, waking
from processing.settle import Settled, pass_gaps
from processing.statuses import Status
from processing.store import raw_cursor

ROWS = 500
PATIENCE_S = 2  # younger ones are still in the hands of whoever made them

log = structlog.get_logger(__name__)


def sweep_retries() -> int:
    """Try retrying events whose time came a while ago; of those replayed together, the first of each user."""
    cursor = raw_cursor().execute(
        """SELECT id FROM inbox i WHERE status = %(retrying)s
             AND next_attempt_at < clock_timestamp() - %(patience)s * interval '1 second'
             AND (replay IS NULL OR NOT EXISTS (
               SELECT FROM inbox e WHERE e.status = %(retrying)s AND e.user_id = i.user_id AND e.replay = i.replay
                 AND e.replay_order < i.replay_order))
           ORDER BY next_attempt_at LIMIT %(rows)s""",
        {"retrying": Status.RETRYING, "patience": PATIENCE_S, "rows": ROWS},
    )
    ids = [id for (id,) in cursor]
    return waking.wake(ids) if ids else 0


def sweep_lanes() -> int:
    """Give a turn to lanes whose front is there and that nobody moves."""
    cursor = raw_cursor().execute(
        """SELECT i.id FROM lanes l JOIN inbox i ON i.user_id = l.user_id AND i.seq = l.next_seq
           WHERE l.waiting_since < clock_timestamp() - %s * interval '1 second' AND i.status = %s LIMIT %s""",
        (PATIENCE_S, Status.HELD, ROWS),
    )
    ids = [id for (id,) in cursor]
    return waking.wake(ids) if ids else 0


def sweep_outbox() -> int:
    """Write the hot state that somebody committed and did not live to write."""
    rows = (
        raw_cursor()
        .execute(
            """SELECT id, event_ids FROM hot_state_outbox
               WHERE created_at < clock_timestamp() - %s * interval '1 second' ORDER BY id LIMIT %s""",
            (PATIENCE_S, ROWS),
        )
        .fetchall()
    )
    for outbox_id, event_ids in rows:
        hot_state.write(Settled(look_up=event_ids, outbox_id=outbox_id))
    return len(rows)


def _is_orphan(gap: waiting.Gap, partition_counts: Mapping[str, int | None]) -> bool:
    if gap.topic is None or gap.partition is None:
        return False
    count = partition_counts.get(gap.topic, 0)
    return count is not None and gap.partition >= count


def sweep_orphans() -> int:
    """Pass gaps before events whose partition is no more: no consumer will."""
    gaps = waiting.gaps(raw_cursor(), settings.SEQUENCE_GAP_TIMEOUT_MS)
    if not gaps or breaker.open_reason() is not None:
        return 0
    counts = kafka.partition_counts()
    users = pass_gaps({gap.user_id: gap.next_seq for gap in gaps if _is_orphan(gap, counts)})
    if users:
        log.warning("passed gaps before events of partitions that are no more", lanes=len(users))
    waking.take_all_turns(users)
    return len(users)
