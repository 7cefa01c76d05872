"""Sweeps: what finds whatever was left waiting, because a process died, a hint was lost or Redis was emptied.

Each is bounded and can run any number of times, anywhere, at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog
from confluent_kafka import KafkaException
from django.conf import settings

from processing import breaker, file_runs, hot_state, kafka, lag, waiting, waking
from processing.settle import Settled, pass_gaps
from processing.statuses import Status
from processing.store import raw_cursor

ROWS = 500
OF_FILES = f"{file_runs.TOPIC_PREFIX}%"  # as LIKE takes it
ROUNDS = 100  # in which a sweep passes one gap of each lane
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
    cursor = raw_cursor().execute(
        """SELECT id FROM hot_state_outbox
           WHERE created_at < clock_timestamp() - %s * interval '1 second' ORDER BY id LIMIT %s""",
        (PATIENCE_S, ROWS),
    )
    return sum(_write_from_outbox(outbox_id) for (outbox_id,) in cursor.fetchall())


def _write_from_outbox(outbox_id: int) -> int:
    """One by one: a file's rows are large, and another sweep may have been quicker."""
    cursor = raw_cursor().execute("SELECT event_ids FROM hot_state_outbox WHERE id = %s", (outbox_id,))
    row = cursor.fetchone()
    if row is None:
        return 0
    hot_state.write(Settled(look_up=row[0], outbox_id=outbox_id))
    return 1


def _is_orphan(gap: waiting.Gap, partition_counts: Mapping[str, int | None]) -> bool:
    if gap.topic is None or gap.partition is None:
        return False
    count = partition_counts.get(gap.topic, 0)
    return count is not None and gap.partition >= count


def sweep_orphans() -> int:
    """Pass gaps before events whose partition is no more: no consumer will. Those of files are `sweep_file_gaps`'."""
    gaps = waiting.gaps(raw_cursor(), settings.SEQUENCE_GAP_TIMEOUT_MS, but_not=OF_FILES)
    if not gaps or breaker.open_reason() is not None:
        return 0
    counts = kafka.partition_counts()
    users = pass_gaps({gap.user_id: gap.next_seq for gap in gaps if _is_orphan(gap, counts)})
    if users:
        log.warning("passed gaps before events of partitions that are no more", lanes=len(users))
    waking.take_all_turns(users)
    return len(users)


def sweep_file_gaps() -> int:
    """Pass gaps before events that came from a file, once its run is over and the log is read as far as it was then.

    A lane may have many gaps, so it goes on while there are any that can be passed. Returns how many were.
    """
    passed = 0
    for _ in range(ROUNDS if file_runs.were_any() else 0):
        users = pass_gaps(_passable(waiting.gaps(raw_cursor(), settings.SEQUENCE_GAP_TIMEOUT_MS, topics=OF_FILES)))
        waking.take_all_turns(users)
        passed += len(users)
        if not users:
            break
    if passed:
        log.warning("passed gaps that files have left: their events did not come", gaps=passed)
    return passed


def _passable(gaps: Sequence[waiting.Gap]) -> dict[str, int]:
    """Of the gaps that files have left, those that can be passed now, as next seq by user."""
    if not gaps or breaker.open_reason() is not None or file_runs.any_active():
        return {}
    ids = {gap.partition for gap in gaps if gap.partition is not None}
    runs = [run for run in file_runs.find(ids) if not run.active]
    try:
        log_now = lag.group_positions(exact=True)
    except KafkaException as error:
        log.warning("Kafka does not say how far it is read; no gap of a file is passed until it does", error=str(error))
        return {}
    file_runs.mark(
        [run for run in runs if run.watermarks is None],
        {partition: position.end for partition, position in log_now.items()},
    )
    if file_runs.any_active():  # one began while Kafka was asked, which takes its time
        return {}
    done = {run.id for run in file_runs.find(ids) if _is_done(run, log_now)}
    return {gap.user_id: gap.next_seq for gap in gaps if gap.partition in done}


def _is_done(run: file_runs.Run, log_now: Mapping[file_runs.Partition, lag.Position]) -> bool:
    marks = run.watermarks
    return not run.active and run.confirmed and marks is not None and file_runs.is_reached(marks, log_now)
