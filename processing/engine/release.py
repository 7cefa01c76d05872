"""The transactions of waiting events: release lanes, retry events, pass gaps.

Each is bounded, locks its rows, and returns the result for `after_commit`. `run_due` and `release_all` go on until
nothing can run; tasks and the sweeper call them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from threading import Event as Flag

from processing.domain.lanes import LaneState
from processing.domain.outcomes import BatchResult, HotStateUpdate, Outcome, outcome_time
from processing.domain.statuses import WAITING, Status
from processing.engine.after_commit import after_commit
from processing.engine.handlers import run_handlers
from processing.engine.lane_moves import lane_fronts, lane_moves, order_changes, time_in_lanes
from processing.engine.process_batch import failed_ids, status_changes
from processing.engine.turns import Turns
from processing.hot_state.write import marked
from processing.models import DeadLetter
from processing.postgres.dead_letters import add_dead_letters
from processing.postgres.due import (
    lanes_and_ids,
    lock_retries,
    lowest_waiting,
    still_waiting,
    users_of_late_events,
    waiting_in_lanes,
)
from processing.postgres.inbox import change_statuses
from processing.postgres.kinds import read_set_aside
from processing.postgres.lane_setting import first_unowned
from processing.postgres.lanes import LaneMove, lock_lanes, move_lanes
from processing.postgres.outbox import add_to_outbox
from processing.postgres.passed_gaps import record_passed_gaps
from processing.postgres.transaction import Cursor, retry_transient, transaction

LANES_AT_ONCE = 100


def run_due(ids: Collection[str]) -> int:
    """Try these waiting events if they are due, and those that wait for them. Returns how many were tried.

    Those of a kind that is set aside wait for it. Ids that no longer wait are left out.
    """
    users, unordered = lanes_and_ids(ids)
    tried = 0
    if unordered:
        with marked(sorted(unordered)):
            tried += after_commit(retry_events(unordered))
    return tried + release_all(users)


def release_all(users: Collection[str]) -> int:
    """Release these users' lanes until nothing can run any more. Returns how many events were tried."""
    tried = 0
    while users:
        result, users = release_next(users)
        tried += after_commit(result)
    return tried


def release_ready(users: Iterable[str], stop: Flag) -> Iterator[BatchResult]:
    """Release these users' lanes, a transaction at a time, for callers that publish the results themselves.

    After a transient error it waits.
    """
    ready = set(users)
    while ready:
        result, ready = retry_transient(partial(release_next, ready), stop)
        if result.outcomes:
            yield result


def release_next(ready: Collection[str]) -> tuple[BatchResult, set[str]]:
    """One transaction's worth of these users' lanes; returns also the users whose lanes can release more."""
    now = sorted(ready)[:LANES_AT_ONCE]
    result = release_lanes(now)
    return result, set(ready).difference(now) | result.ready


def release_lanes(users: Collection[str]) -> BatchResult:
    """Run what waits at the front of these users' lanes, as far as there is no gap, retry or kind to wait for."""
    with transaction() as cursor:
        turns = Turns(read_set_aside(cursor))
        return release_in(cursor, lock_lanes(cursor, users), turns)


def release_in(cursor: Cursor, lanes: Mapping[str, LaneState], turns: Turns) -> BatchResult:
    """Run the events whose turn it is: those of `turns` and those at the front of these (locked) lanes."""
    for rows in waiting_in_lanes(cursor, list(lanes.values())).values():
        turns.take_lane(rows)
    outcomes, hot_state = _run_waiting(cursor, turns, lanes)
    orders = order_changes(lanes, outcomes)
    moved = _stepped_over(cursor, lanes, lane_fronts(outcomes))
    # a lane whose front stayed may wait for something else than before
    touched = {user for user in lanes if user in moved or user in turns.users}
    touched |= {o.event.user_id for o in outcomes if o.event.seq is not None and o.event.user_id in lanes}
    still = still_waiting(cursor, {user: moved.get(user, lanes[user].next_seq) for user in touched})
    moves = lane_moves({user: lanes[user] for user in touched}, moved, orders, still, touched)
    move_lanes(cursor, moves, hot_state.at)
    return BatchResult(replace(hot_state, orders=orders), outcomes, frozenset(still.intersection(moved)))


def retry_events(ids: Collection[str]) -> BatchResult:
    """Try again those of these events that are due and that no lane holds: without seq, or replayed late."""
    with transaction() as cursor:
        return retry_in(cursor, ids, Turns(read_set_aside(cursor)))


def retry_in(cursor: Cursor, ids: Collection[str], turns: Turns) -> BatchResult:
    """`retry_events`, within a transaction."""
    lanes = lock_lanes(cursor, users_of_late_events(cursor, ids))
    turns.take_free(lock_retries(cursor, ids, lanes.values()))
    outcomes, hot_state = _run_waiting(cursor, turns, lanes)
    orders = order_changes(lanes, outcomes, late=True)
    moves = [LaneMove(o.user_id, lanes[o.user_id].next_seq, lanes[o.user_id].waiting, o.after) for o in orders]
    move_lanes(cursor, moves, hot_state.at)
    return BatchResult(replace(hot_state, orders=orders), outcomes)


def pass_gaps(gaps: Mapping[str, int]) -> set[str]:
    """Pass the gaps of these users' lanes, if the seq is still the next one and still missing.

    Returns the users whose lanes moved: these can be released.
    """
    moves: list[LaneMove] = []
    with transaction() as cursor:
        for user, lane in lock_lanes(cursor, gaps).items():
            lowest = lowest_waiting(cursor, user, lane.next_seq)
            if lane.next_seq == gaps[user] and lowest is not None and lowest > lane.next_seq:
                moves.append(LaneMove(user, lowest, True, lane.order_version))
        record_passed_gaps(cursor, moves)
        move_lanes(cursor, moves, outcome_time())
    return {move.user_id for move in moves}


def _run_waiting(cursor: Cursor, turns: Turns, lanes: Mapping[str, LaneState]) -> tuple[list[Outcome], HotStateUpdate]:
    """Run waiting events and record their outcomes. An event that is held again stays as it was."""
    at = time_in_lanes(lanes, outcome_time())
    outcomes = [outcome for outcome in run_handlers(turns.attempts) if outcome.status is not Status.HELD]
    change_statuses(cursor, turns.changes + status_changes(outcomes), at, fresh=False)
    add_dead_letters(cursor, failed_ids(outcomes), DeadLetter.Reason.FAILED, at)
    final = [outcome.event.id for outcome in outcomes if outcome.status not in WAITING]
    tried = [outcome.event.id for outcome in outcomes]
    return outcomes, HotStateUpdate(at, refresh=final, in_flight=tried, outbox_id=add_to_outbox(cursor, final))


def _stepped_over(cursor: Cursor, lanes: Mapping[str, LaneState], fronts: dict[str, int]) -> dict[str, int]:
    """The fronts, in lanes that were set back behind final events, which own their seqs."""
    return {
        user: front if lanes[user].set_back_from is None else first_unowned(cursor, user, front)
        for user, front in fronts.items()
    }
