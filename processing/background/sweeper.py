"""Sweeps: what finds whatever was left waiting, because a process died, a hint was lost or Redis was emptied.

Each is bounded and can run any number of times, anywhere, at once.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from django.conf import settings

from processing.background.import_gaps import OF_FILES
from processing.domain.outcomes import HotStateUpdate
from processing.domain.statuses import Status
from processing.engine import circuit_breaker, release
from processing.engine.release import pass_gaps
from processing.hot_state.write import write_hot_state
from processing.kafka import clients
from processing.postgres.due import Gap, find_gaps
from processing.postgres.transaction import raw_cursor

ROWS = 500
PATIENCE_S = 2  # younger ones are still in the hands of whoever made them

log = structlog.get_logger(__name__)


def rescue_retries() -> int:
    """Try retrying events whose time came a while ago; of those replayed together, the first of each user."""
    cursor = raw_cursor().execute(
        """SELECT id FROM processing_inboxevent i WHERE status = %(retrying)s
             AND next_attempt_at < clock_timestamp() - %(patience)s * interval '1 second'
             AND (replay IS NULL OR NOT EXISTS (
               SELECT FROM processing_inboxevent e WHERE e.status = %(retrying)s AND e.user_id = i.user_id AND e.replay = i.replay
                 AND e.replay_order < i.replay_order))
           ORDER BY next_attempt_at LIMIT %(rows)s""",
        {"retrying": Status.RETRYING, "patience": PATIENCE_S, "rows": ROWS},
    )
    ids = [id for (id,) in cursor]
    return release.run_due(ids) if ids else 0


def rescue_lanes() -> int:
    """Give a turn to lanes whose front is there and that nobody moves."""
    cursor = raw_cursor().execute(
        """SELECT i.id FROM processing_lane l JOIN processing_inboxevent i ON i.user_id = l.user_id AND i.seq = l.next_seq
           WHERE l.waiting_since < clock_timestamp() - %s * interval '1 second' AND i.status = %s LIMIT %s""",
        (PATIENCE_S, Status.HELD, ROWS),
    )
    ids = [id for (id,) in cursor]
    return release.run_due(ids) if ids else 0


def rescue_hot_state() -> int:
    """Write the hot state that somebody committed and did not live to write."""
    cursor = raw_cursor().execute(
        """SELECT id FROM processing_hotstateoutbox
           WHERE created_at < clock_timestamp() - %s * interval '1 second' ORDER BY id LIMIT %s""",
        (PATIENCE_S, ROWS),
    )
    return sum(_write_from_outbox(outbox_id) for (outbox_id,) in cursor.fetchall())


def _write_from_outbox(outbox_id: int) -> int:
    """One by one: a file's rows are large, and another sweep may have been quicker."""
    cursor = raw_cursor().execute("SELECT event_ids FROM processing_hotstateoutbox WHERE id = %s", (outbox_id,))
    row = cursor.fetchone()
    if row is None:
        return 0
    write_hot_state(HotStateUpdate(refresh=row[0], outbox_id=outbox_id))
    return 1


def _is_orphan(gap: Gap, partition_counts: Mapping[str, int | None]) -> bool:
    if gap.topic is None or gap.partition is None:
        return False
    count = partition_counts.get(gap.topic, 0)
    return count is not None and gap.partition >= count


def pass_orphaned_gaps() -> int:
    """Pass gaps before events whose partition is no more: no consumer will. Those of files are `sweep_file_gaps`'."""
    gaps = find_gaps(raw_cursor(), settings.SEQUENCE_GAP_TIMEOUT_MS, but_not=OF_FILES)
    if not gaps or circuit_breaker.open_reason() is not None:
        return 0
    counts = clients.partition_counts()
    users = pass_gaps({gap.user_id: gap.next_seq for gap in gaps if _is_orphan(gap, counts)})
    if users:
        log.warning("passed gaps before events of partitions that are no more", lanes=len(users))
    release.release_all(users)
    return len(users)
