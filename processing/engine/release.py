"""Give waiting events their turn, from a task, a sweep or an operator's action, and write what came of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import takewhile

import structlog

from processing.domain.outcomes import Attempt, BatchResult, outcome_time
from processing.domain.statuses import WAITING, Status
from processing.engine import circuit_breaker
from processing.engine.after_commit import after_commit
from processing.engine.handlers import run_handlers
from processing.engine.process_batch import (
    _add_dead_letters,
    _can_run,
    _changes,
    _fronts,
    _keep_time,
    _moves,
    _order_changes,
)
from processing.hot_state.write import mark_in_flight
from processing.postgres.due import (
    lanes_and_ids,
    lock_retries,
    lowest_waiting,
    still_waiting,
    users_of_late_events,
    waiting_in_lanes,
)
from processing.postgres.inbox import change_statuses
from processing.postgres.lanes import LaneMove, lock_lanes, move_lanes
from processing.postgres.outbox import add_to_outbox
from processing.postgres.transaction import Cursor, raw_cursor, transaction


def release_lanes(users: Collection[str]) -> BatchResult:
    """Run what waits at the front of these users' lanes, as far as there is no gap and no retry to wait for."""
    with transaction() as cursor:
        lanes = lock_lanes(cursor, users)
        settled = BatchResult()
        _keep_time(settled, lanes)
        found = waiting_in_lanes(cursor, list(lanes.values()))
        runs = [each.run for rows in found.values() for each in takewhile(_can_run, rows)]
        _record_attempts(cursor, settled, runs)
        fronts = _fronts(settled.outcomes)
        still = still_waiting(cursor, fronts)
        moved = {user: lane for user, lane in lanes.items() if user in fronts}
        move_lanes(cursor, _moves(moved, settled, still), settled.at)
        settled.ready = still
    return settled


def retry_events(ids: Collection[str]) -> BatchResult:
    """Try again those of these events whose time has come and that no lane holds: without seq, or replayed late."""
    with transaction() as cursor:
        lanes = lock_lanes(cursor, users_of_late_events(cursor, ids))
        settled = BatchResult()
        _keep_time(settled, lanes)
        stopped: set[object] = set()
        runs: list[Attempt] = []
        for each in lock_retries(cursor, ids, lanes.values()):
            if each.due and each.run.chain not in stopped:
                runs.append(each.run)
            elif each.run.chain is not None:
                stopped.add(each.run.chain)
        _record_attempts(cursor, settled, runs)
        settled.orders = _order_changes(lanes, settled.outcomes, late=True)
        moves = [
            LaneMove(o.user_id, lanes[o.user_id].next_seq, lanes[o.user_id].waiting, o.after) for o in settled.orders
        ]
        move_lanes(cursor, moves, settled.at)
    return settled


def pass_gaps(gaps: Mapping[str, int]) -> set[str]:
    """Give up on the missing seq of these users' lanes, if it still is the one named and still missing.

    Returns the users whose lanes have moved: they want a turn.
    """
    moves: list[LaneMove] = []
    with transaction() as cursor:
        for user, lane in lock_lanes(cursor, gaps).items():
            lowest = lowest_waiting(cursor, user, lane.next_seq)
            if lane.next_seq == gaps[user] and lowest is not None and lowest > lane.next_seq:
                moves.append(LaneMove(user, lowest, True, lane.order_version))
        move_lanes(cursor, moves, outcome_time())
    return {move.user_id for move in moves}


def _record_attempts(cursor: Cursor, settled: BatchResult, runs: Sequence[Attempt]) -> None:
    """Run events that have waited, and record what became of them. One that is held again stays as it was."""
    settled.outcomes = [outcome for outcome in run_handlers(runs) if outcome.status is not Status.HELD]
    change_statuses(cursor, _changes(settled.outcomes), settled.at, fresh=False)
    _add_dead_letters(cursor, settled, [])
    settled.worked = [outcome.event.id for outcome in settled.outcomes]
    settled.look_up = [outcome.event.id for outcome in settled.outcomes if outcome.status not in WAITING]
    settled.outbox_id = add_to_outbox(cursor, settled.look_up)


LANES_AT_ONCE = 100

log = structlog.get_logger(__name__)


def run_due(ids: Collection[str]) -> int:
    """Try these waiting events, and what waits for them, if their time has come. Returns how many were tried.

    While the breaker is open, retries wait. An id that does not wait any more is none to try.
    """
    if circuit_breaker.open_reason() is not None:
        return 0
    users, free = lanes_and_ids(raw_cursor(), ids)
    mark_in_flight(list(free))
    tried = 0
    if free:
        tried += after_commit(retry_events(free))
    return tried + release_all(users)


def release_all(users: Collection[str]) -> int:
    """Turns for these users' lanes until nothing can run any more. Returns how many events had their turn."""
    tried = 0
    while users:
        settled, users = release_next(users)
        tried += after_commit(settled)
    return tried


def release_next(ready: Collection[str]) -> tuple[BatchResult, set[str]]:
    """One transaction's worth of turns for these users' lanes; returns also the users who still want one."""
    now = sorted(ready)[:LANES_AT_ONCE]
    settled = release_lanes(now)
    return settled, set(ready).difference(now) | settled.ready
