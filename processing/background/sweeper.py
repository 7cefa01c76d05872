"""The sweeper rescues what was left waiting because a process died, a Celery message was lost or Redis was emptied.

Each function is bounded and can run any number of times, anywhere, at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import structlog
from django.conf import settings

from processing.domain.outcomes import HotStateUpdate
from processing.domain.positions import Partition
from processing.engine import enqueue, release
from processing.engine.release import pass_gaps
from processing.hot_state.write import has_dead_letter_list, is_on, put_dead_letters_back, write_hot_state
from processing.kafka import clients
from processing.postgres import effects
from processing.postgres.added_partitions import any_unreached
from processing.postgres.due import overdue_fronts, overdue_retries, retrying_after
from processing.postgres.gaps import find_passable_without_partition, origins_at_gaps
from processing.postgres.outbox import events_of_outbox, overdue_outbox

ROWS = 500
MARKS = 100_000  # renewed in one run, the longest waiting ones
PATIENCE_S = 2  # rows younger than this belong to the process that wrote them

log = structlog.get_logger(__name__)


def rescue_retries() -> int:
    """Try retrying events that have been due for a while."""
    ids = overdue_retries(PATIENCE_S, ROWS)
    return release.run_due(ids) if ids else 0


def rescue_lanes() -> int:
    """Release lanes whose next event is held and that no process moves."""
    ids = overdue_fronts(PATIENCE_S, ROWS)
    return release.run_due(ids) if ids else 0


def rescue_hot_state() -> int:
    """Write the hot state of transactions whose process ended before it could."""
    return sum(_write_from_outbox(outbox_id) for outbox_id in overdue_outbox(PATIENCE_S, ROWS))


def _write_from_outbox(outbox_id: int) -> int:
    """One row a call: those of files are large, and another sweeper may have been quicker."""
    ids = events_of_outbox(outbox_id)
    if ids is None:
        return 0
    write_hot_state(HotStateUpdate(refresh=ids, outbox_id=outbox_id))
    return 1


def rescue_effects() -> int:
    """Have tasks run that have been due for a while: in threads of their own, since they may be slow."""
    waiting = effects.count_due_tasks(PATIENCE_S, ROWS)
    enqueue.enqueue_effects(waiting)
    return waiting


def renew_marks() -> int:
    """Mark what is retrying as in flight anew: it stays so until it is final, and a mark is soon forgotten."""
    after, renewed = (datetime.min.replace(tzinfo=UTC), ""), 0
    while is_on() and renewed < MARKS and (found := retrying_after(after, ROWS)):
        write_hot_state(HotStateUpdate(refresh=[id for _, id in found]))
        after, renewed = found[-1], renewed + len(found)
    return renewed


def rescue_dead_letter_list() -> int:
    """Put the list of dead letters back if Redis has lost it."""
    return 0 if has_dead_letter_list() else int(put_dead_letters_back())


def pass_orphaned_gaps() -> int:
    """Pass gaps before events whose partition no longer exists, or that keep none: no consumer will. Returns how many.

    One that was skipped keeps none, also when it is replayed with its lane.
    """
    timeout_ms = settings.SEQUENCE_GAP_TIMEOUT_MS
    origins = {origin for origin in origins_at_gaps(timeout_ms) if origin.import_run is None}
    if not origins or any_unreached():
        return 0
    counts = clients.partition_counts()
    gone = {o.partition for o in origins if o.partition is not None and _is_gone(o.partition, counts)}
    passed = pass_gaps(find_passable_without_partition(gone, timeout_ms))
    if passed:
        log.warning("passed gaps before events that no partition holds any more", gaps=passed)
    return passed


def _is_gone(partition: Partition, partition_counts: Mapping[str, int | None]) -> bool:
    topic, number = partition
    count = partition_counts.get(topic, 0)
    return count is not None and number >= count
