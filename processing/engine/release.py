"""The transactions of waiting events: release lanes, retry events, pass gaps.

Each is bounded, locks its rows, and returns the result for `after_commit`. `run_due`, `release_all` and `pass_gaps` go
on until nothing can run, for TURNS_S at most; tasks and the sweeper call them, and the next sweep finds what is left.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from processing.domain.lanes import LaneState, PassableGaps, PassedGap, share_turns
from processing.domain.outcomes import BatchResult, HotStateUpdate, Outcome, effects_of
from processing.domain.statuses import WAITING, Status
from processing.domain.tally import NO_KIND, PASSED, Tally, tally_of
from processing.engine.after_commit import after_commit
from processing.engine.handlers import run_handlers
from processing.engine.lane_moves import front_behind, lane_moves, order_changes, parked_by
from processing.engine.process_batch import letters_of_failed, status_changes
from processing.engine.turns import Turns
from processing.metrics import POSTGRES_SECONDS
from processing.models import DeadLetter
from processing.postgres.dead_letters import add_dead_letters
from processing.postgres.due import (
    WaitingEvent,
    lanes_and_ids,
    lock_retries,
    still_waiting,
    users_of_late_events,
    waiting_in_lanes,
)
from processing.postgres.effects import add_effects
from processing.postgres.failures import record_failures
from processing.postgres.inbox import change_statuses
from processing.postgres.kinds import read_set_aside
from processing.postgres.lane_setting import first_unowned
from processing.postgres.lanes import LaneMove, lock_lanes, move_lanes
from processing.postgres.outbox import add_to_outbox
from processing.postgres.passed_gaps import record_passed_gaps
from processing.postgres.tallies import add_tally
from processing.postgres.transaction import Cursor, outcome_time, transaction

LANES_AT_ONCE = 500
TURNS_S = 1.0  # a sweep comes every two seconds: one lane, or a crowd, must not keep all threads of a worker
NOTHING: Mapping[str, PassableGaps] = {}


def run_due(ids: Collection[str]) -> int:
    """Try these waiting events if they are due, and those that wait for them. Returns how many were tried.

    Those of a kind that is set aside wait for it. Ids that no longer wait are left out.
    """
    return sum(after_commit(result) for result in due_turns(ids))


def due_turns(ids: Collection[str]) -> Iterator[BatchResult]:
    """The transactions of `run_due`, each before what follows its commit."""
    users, unordered = lanes_and_ids(ids)
    if unordered:
        yield retry_events(unordered)
    yield from _turns_in_time(ReadyLanes(users))


def release_all(users: Collection[str]) -> int:
    """Release these users' lanes while something can run. Returns how many events were tried."""
    return sum(after_commit(result) for result in _turns_in_time(ReadyLanes(users)))


def pass_gaps(passable: Collection[PassableGaps]) -> int:
    """Pass these gaps, and release their lanes while something can run. Returns how many were passed."""
    passed = 0
    for result in _turns_in_time(ReadyLanes(passable=passable)):
        after_commit(result)
        passed += result.count(PASSED)
    return passed


def _turns_in_time(ready: ReadyLanes) -> Iterator[BatchResult]:
    deadline = time.monotonic() + TURNS_S
    for result in ready.release_all():
        yield result
        if time.monotonic() >= deadline:
            return


class ReadyLanes:
    """Lanes that can go on, for one thread. Each gets a bounded turn, and another one while it gets on.

    Those that wait by one batch, or that were added at once, are a group. Small groups go before large ones: a crowd
    takes no turn from who came at another moment.
    """

    def __init__(self, users: Iterable[str] = (), passable: Iterable[PassableGaps] = ()) -> None:
        self._lanes: dict[str, tuple[Hashable, PassableGaps | None]] = {}
        self._added = 0
        self.add(users)
        self.add_passable(passable)

    def __bool__(self) -> bool:
        return bool(self._lanes)

    def add(self, users: Iterable[str]) -> None:
        self._added += 1
        for user in sorted(users):
            self._lanes.setdefault(user, (self._added, None))

    def add_passable(self, found: Iterable[PassableGaps]) -> None:
        """Lanes that can go on when these gaps are passed."""
        for each in found:
            group, _ = self._lanes.get(each.user_id, (each.since, None))
            self._lanes[each.user_id] = group, each

    def passable(self) -> list[str]:
        """The users whose lanes can pass gaps."""
        return [user for user, (_, gaps) in self._lanes.items() if gaps is not None]

    def release(self) -> BatchResult:
        """One transaction's worth of turns. It can be done again if it fails."""
        turns = {user: self._lanes[user] for user in self._next()}
        result = release_lanes(turns, {user: gaps for user, (_, gaps) in turns.items() if gaps is not None})
        for user in turns:
            del self._lanes[user]
        self._lanes |= {user: lane for user, lane in turns.items() if user in result.ready}
        return result

    def release_all(self) -> Iterator[BatchResult]:
        while self:
            yield self.release()

    def _next(self) -> list[str]:
        groups: dict[Hashable, list[str]] = {}
        for user, (group, _) in self._lanes.items():
            groups.setdefault(group, []).append(user)
        return sorted(share_turns([*groups.values()], LANES_AT_ONCE))


@POSTGRES_SECONDS.time()
def release_lanes(users: Collection[str], passable: Mapping[str, PassableGaps] = NOTHING) -> BatchResult:
    """Run what waits at the front of these users' lanes, as far as there is no retry, kind or gap to wait for that is
    not passable."""
    with transaction() as cursor:
        turns = Turns(read_set_aside(cursor))
        return release_in(cursor, lock_lanes(cursor, users), turns, passable)


def release_in(
    cursor: Cursor, lanes: Mapping[str, LaneState], turns: Turns, passable: Mapping[str, PassableGaps] = NOTHING
) -> BatchResult:
    """Run the events whose turn it is: those of `turns` and those at the front of these (locked) lanes."""
    waiting = waiting_in_lanes(cursor, [lane for lane in lanes.values() if not lane.parked], passable)
    for rows in waiting.values():
        turns.take_lane(rows)
    at = outcome_time(cursor)
    outcomes, hot_state = _run_waiting(cursor, turns, at)
    orders = order_changes(lanes, outcomes)
    fronts, gaps = _fronts(lanes, waiting, outcomes)
    record_passed_gaps(cursor, gaps, at)
    parked = parked_by(outcomes)
    moved = _stepped_over(cursor, lanes, fronts, parked)
    # a lane whose front stayed may wait for something else than before
    touched = {user for user in lanes if user in moved or user in turns.users}
    touched |= {o.event.user_id for o in outcomes if o.event.seq is not None and o.event.user_id in lanes}
    still = still_waiting(cursor, {user: moved.get(user, lanes[user].next_seq) for user in touched})
    moves = lane_moves({user: lanes[user] for user in touched}, moved, orders, still, touched)
    move_lanes(cursor, moves, at, parked)
    ready = frozenset(still.intersection(moved).difference(parked))
    tally = _tally(turns, outcomes, at)
    tally[NO_KIND, PASSED] = len(gaps)
    add_tally(cursor, tally, at)
    return BatchResult(replace(hot_state, orders=orders), outcomes, ready, tally, at)


def _fronts(
    lanes: Mapping[str, LaneState], waiting: Mapping[str, Sequence[WaitingEvent]], outcomes: Sequence[Outcome]
) -> tuple[dict[str, int], list[PassedGap]]:
    """The next seqs of the lanes that these outcomes, or passed gaps, have moved; and these gaps."""
    final = {outcome.event.id for outcome in outcomes if outcome.status not in WAITING and not outcome.parks}
    fronts: dict[str, int] = {}
    passed: list[PassedGap] = []
    for user, rows in waiting.items():
        front, gaps = front_behind(lanes[user], rows, final)
        passed += gaps
        if front > lanes[user].next_seq:
            fronts[user] = front
    return fronts, passed


@POSTGRES_SECONDS.time()
def retry_events(ids: Collection[str]) -> BatchResult:
    """Try again those of these events that are due and that no lane holds: without seq, or replayed late."""
    with transaction() as cursor:
        return retry_in(cursor, ids, Turns(read_set_aside(cursor)))


def retry_in(cursor: Cursor, ids: Collection[str], turns: Turns) -> BatchResult:
    """`retry_events`, within a transaction."""
    lanes = lock_lanes(cursor, users_of_late_events(cursor, ids))
    turns.take_free(lock_retries(cursor, ids, lanes.values()))
    at = outcome_time(cursor)
    outcomes, hot_state = _run_waiting(cursor, turns, at)
    orders = order_changes(lanes, outcomes, late=True)
    moves = [LaneMove(o.user_id, lanes[o.user_id].next_seq, lanes[o.user_id].waiting, o.after) for o in orders]
    move_lanes(cursor, moves, at)
    tally = _tally(turns, outcomes, at)
    add_tally(cursor, tally, at)
    return BatchResult(replace(hot_state, orders=orders), outcomes, tally=tally, began=at)


def _tally(turns: Turns, outcomes: Sequence[Outcome], at: datetime) -> Tally:
    since = {attempt.event.id: attempt.since for attempt in turns.attempts}
    return tally_of([(each.event, str(each.status), since[each.event.id]) for each in outcomes], at)


def _run_waiting(cursor: Cursor, turns: Turns, at: datetime) -> tuple[list[Outcome], HotStateUpdate]:
    """Run waiting events and record their outcomes. An event that is held again stays as it was."""
    outcomes = [outcome for outcome in run_handlers(turns.attempts) if outcome.status is not Status.HELD]
    change_statuses(cursor, turns.changes + status_changes(outcomes), at, fresh=False)
    add_dead_letters(cursor, letters_of_failed(outcomes), DeadLetter.Reason.FAILED, at)
    record_failures(cursor, outcomes, at)
    add_effects(cursor, effects_of(outcomes))
    final = [outcome.event.id for outcome in outcomes if outcome.status not in WAITING]
    tried = [outcome.event.id for outcome in outcomes]
    return outcomes, HotStateUpdate(refresh=tried, outbox_id=add_to_outbox(cursor, final))


def _stepped_over(
    cursor: Cursor, lanes: Mapping[str, LaneState], fronts: dict[str, int], parked: Collection[str]
) -> dict[str, int]:
    """The fronts, in lanes that were set back behind final events, which own their seqs; a parked one stands on its."""
    return {
        user: front if lanes[user].set_back_from is None or user in parked else first_unowned(cursor, user, front)
        for user, front in fronts.items()
    }
