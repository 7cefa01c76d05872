"""What commits, and in which order: the transactions that give events their outcome.

`settle_batch` records a batch from Kafka; `take_turns` lets waiting events of lanes run, `retry_free` those that no
lane holds; `pass_gaps` gives up on missing seqs. Each is one transaction. The hot state is written after it, from the
`Settled` that it returns (see `hot_state.py`); what no redelivery would bring again is named in the outbox.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Protocol

import msgspec

from processing import store, waiting
from processing.apply import Outcome, apply
from processing.envelope import Event
from processing.lanes import LaneState, plan_arrivals
from processing.models import DeadLetter
from processing.rounds import Run
from processing.statuses import WAITING, Status
from processing.store import Change, Cursor, LaneMove, Message, Poison
from processing.transactions import transaction
from processing.waiting import Waiting


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """An event as it came from Kafka."""

    event: Event
    message: Message


class Arrived(Protocol):
    """An event that arrives, from wherever: an `Arrival`, or what is as good."""

    @property
    def event(self) -> Event: ...

    @property
    def message(self) -> Message: ...


@dataclass(frozen=True)
class OrderChange:
    """Seqs that a lane processed, and the lane's order version before and after. They follow all before them, except
    where `before` is None: then they came late."""

    user_id: str
    before: int | None
    after: int
    seqs: list[int]


@dataclass
class Settled:
    """What a transaction did, for those who act after it. Nothing of it is lost with the process: sweeps find it."""

    at: datetime = field(default_factory=lambda: now())
    worked: list[str] = field(default_factory=list)  # ids that were marked as being worked on
    arrived: list[Event] = field(default_factory=list)  # processed on arrival, with one attempt
    look_up: list[str] = field(default_factory=list)  # ids whose hot state is written from their rows
    orders: list[OrderChange] = field(default_factory=list)
    outbox_id: int | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    ready: set[str] = field(default_factory=set)  # users whose lane wants a turn
    held: int = 0
    skipped: int = 0
    poisoned: int = 0
    known: int = 0

    def count(self, status: Status) -> int:
        return sum(outcome.status is status for outcome in self.outcomes)

    @property
    def retries(self) -> list[tuple[str, int]]:
        """Ids that are to be tried again, and in how many milliseconds."""
        return [(o.event.id, o.retry_in_ms) for o in self.outcomes if o.retry_in_ms is not None]


def settle_batch(arrivals: Sequence[Arrived], poisons: Sequence[Poison], *, comes_again: bool = True) -> Settled:
    """Record a batch, in the order of the log, and run what can run. The same batch again changes nothing.

    If it is not sure that it `comes_again` after a crash, as from a file, all of it that is final is named in the
    outbox; such events are not marked as being worked on.
    """
    first = {a.event.id: a for a in reversed(arrivals)}
    unique = [a.event for a in arrivals if first[a.event.id] is a]
    with transaction() as cursor:
        settled = Settled()
        known = store.insert_arrivals(cursor, unique, settled.at) if unique else set()
        known_poison = store.insert_poison(cursor, poisons, settled.at)
        fresh = [event for event in unique if event.id not in known]
        lanes = store.lock_lanes(cursor, {e.user_id for e in fresh if e.seq is not None}, create=True)
        is_late = _keep_time(settled, lanes)
        runs, changes = _plan(cursor, fresh, lanes, settled)
        settled.outcomes = apply(runs)
        settled.arrived = [o.event for o in settled.outcomes if o.status is Status.PROCESSED]
        if is_late:
            store.restamp(cursor, [event.id for event in settled.arrived], settled.at)
        changes += _changes(o for o in settled.outcomes if o.status is not Status.PROCESSED)
        changes = [_with_message(change, first[change.id].message) for change in changes]
        store.save_changes(cursor, changes, settled.at, fresh=True)
        waits = {first[change.id].event.user_id for change in changes if change.status in WAITING}
        waits |= {user for user, lane in lanes.items() if lane.waiting}
        store.move_lanes(cursor, _moves(lanes, settled, waits), settled.at)
        _bury(cursor, settled, [p.id for p in poisons if p.id not in known_poison])
        settled.look_up = [c.id for c in changes if c.status not in WAITING] + [p.id for p in poisons]
        if not comes_again:
            settled.outbox_id = store.add_to_outbox(cursor, [e.id for e in settled.arrived] + settled.look_up)
    if comes_again:
        settled.worked = [event.id for event in unique]
        settled.look_up += sorted(known)  # whoever made them final may not have lived to write their hot state
    settled.held = sum(change.status is Status.HELD for change in changes)
    settled.known = len(arrivals) - len(fresh) + len(known_poison)
    return settled


def take_turns(users: Collection[str]) -> Settled:
    """Run what waits at the front of these users' lanes, as far as there is no gap and no retry to wait for."""
    with transaction() as cursor:
        lanes = store.lock_lanes(cursor, users)
        settled = Settled()
        _keep_time(settled, lanes)
        found = waiting.lane_runs(cursor, list(lanes.values()))
        runs = [each.run for rows in found.values() for each in takewhile(_can_run, rows)]
        _settle_waiting(cursor, settled, runs)
        fronts = _fronts(settled.outcomes)
        still = waiting.still_waiting(cursor, fronts)
        moved = {user: lane for user, lane in lanes.items() if user in fronts}
        store.move_lanes(cursor, _moves(moved, settled, still), settled.at)
        settled.ready = still
    return settled


def retry_free(ids: Collection[str]) -> Settled:
    """Try again those of these events whose time has come and that no lane holds: without seq, or replayed late."""
    with transaction() as cursor:
        lanes = store.lock_lanes(cursor, waiting.users_of_late_events(cursor, ids))
        settled = Settled()
        _keep_time(settled, lanes)
        stopped: set[object] = set()
        runs: list[Run] = []
        for each in waiting.free_retries(cursor, ids, lanes.values()):
            if each.due and each.run.chain not in stopped:
                runs.append(each.run)
            elif each.run.chain is not None:
                stopped.add(each.run.chain)
        _settle_waiting(cursor, settled, runs)
        settled.orders = _order_changes(lanes, settled.outcomes, late=True)
        moves = [
            LaneMove(o.user_id, lanes[o.user_id].next_seq, lanes[o.user_id].waiting, o.after) for o in settled.orders
        ]
        store.move_lanes(cursor, moves, settled.at)
    return settled


def pass_gaps(gaps: Mapping[str, int]) -> set[str]:
    """Give up on the missing seq of these users' lanes, if it still is the one named and still missing.

    Returns the users whose lanes have moved: they want a turn.
    """
    moves: list[LaneMove] = []
    with transaction() as cursor:
        for user, lane in store.lock_lanes(cursor, gaps).items():
            lowest = waiting.lowest_waiting(cursor, user, lane.next_seq)
            if lane.next_seq == gaps[user] and lowest is not None and lowest > lane.next_seq:
                moves.append(LaneMove(user, lowest, True, lane.order_version))
        store.move_lanes(cursor, moves, now())
    return {move.user_id for move in moves}


def _keep_time(settled: Settled, lanes: Mapping[str, LaneState]) -> bool:
    """A lane's outcomes have times that never go back, though another process, whose clock may be ahead, moved it while
    this one waited for the lock. Returns whether the time was put on."""
    latest = max((lane.moved_at for lane in lanes.values() if lane.moved_at is not None), default=settled.at)
    is_late = latest > settled.at
    settled.at = max(latest, settled.at)
    return is_late


def _plan(
    cursor: Cursor, fresh: Sequence[Event], lanes: Mapping[str, LaneState], settled: Settled
) -> tuple[list[Run], list[Change]]:
    """The runs of a batch, and what becomes of the events that are not run.

    A lane's runs take the places in the log that they have together, in the order of their seqs.
    """
    runs: dict[int, Run] = {}
    by_lane: dict[str, list[Event]] = {}
    places: dict[str, int] = {}
    for place, event in enumerate(fresh):
        if event.seq is None:
            runs[place] = Run(event)
        else:
            by_lane.setdefault(event.user_id, []).append(event)
            places[event.id] = place
    owned = store.owned_seqs(cursor, [e for user in by_lane if lanes[user].waiting for e in by_lane[user]])
    changes: list[Change] = []
    for user, arrivals in by_lane.items():
        plan = plan_arrivals(lanes[user], arrivals, owned.get(user, set()))
        for place, event in zip(sorted(places[event.id] for event in plan.run), plan.run, strict=True):
            runs[place] = Run(event, chain=user)
        changes += [Change(event.id, Status.HELD, 0) for event in plan.held]
        changes += [Change(event.id, Status.SKIPPED, 0, _why_skipped(lanes[user], event)) for event in plan.skipped]
        settled.skipped += len(plan.skipped)
        if plan.ready:
            settled.ready.add(user)
    return [runs[place] for place in sorted(runs)], changes


def _why_skipped(lane: LaneState, event: Event) -> str:
    if event.seq is not None and event.seq < lane.next_seq:
        return f"seq {event.seq} was passed: the lane of {event.user_id!r} stands at {lane.next_seq}"
    return f"seq {event.seq} of {event.user_id!r} belongs to another event that came first"


def _settle_waiting(cursor: Cursor, settled: Settled, runs: Sequence[Run]) -> None:
    """Run events that have waited, and record what became of them. One that is held again stays as it was."""
    settled.outcomes = [outcome for outcome in apply(runs) if outcome.status is not Status.HELD]
    store.save_changes(cursor, _changes(settled.outcomes), settled.at, fresh=False)
    _bury(cursor, settled, [])
    settled.worked = [outcome.event.id for outcome in settled.outcomes]
    settled.look_up = [outcome.event.id for outcome in settled.outcomes if outcome.status not in WAITING]
    settled.outbox_id = store.add_to_outbox(cursor, settled.look_up)


def _can_run(each: Waiting) -> bool:
    return each.status is Status.HELD or each.due


def _changes(outcomes: Iterable[Outcome]) -> list[Change]:
    return [Change(o.event.id, o.status, o.attempts, o.error, o.attempt_limit, o.retry_in_ms) for o in outcomes]


def _with_message(change: Change, message: Message) -> Change:
    """What is final on arrival needs its bytes no more, unless it is a dead letter."""
    if change.status is Status.SKIPPED:
        return change
    return Change(
        change.id, change.status, change.attempts, change.error, change.attempt_limit, change.retry_in_ms, message
    )


def _moves(lanes: Mapping[str, LaneState], settled: Settled, waits: Collection[str]) -> list[LaneMove]:
    """Where the outcomes leave these lanes, those that have changed; `waits` are the users of whom something waits."""
    settled.orders = _order_changes(lanes, settled.outcomes)
    versions = {order.user_id: order.after for order in settled.orders}
    fronts = _fronts(settled.outcomes)
    moves = [
        LaneMove(user, fronts.get(user, lane.next_seq), user in waits, versions.get(user, lane.order_version))
        for user, lane in lanes.items()
    ]
    return [move for move in moves if move != _standing(lanes[move.user_id])]


def _standing(lane: LaneState) -> LaneMove:
    return LaneMove(lane.user_id, lane.next_seq, lane.waiting, lane.order_version)


def _fronts(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """The next seq of the lanes that these outcomes have moved."""
    fronts: dict[str, int] = {}
    for outcome in outcomes:
        event = outcome.event
        if event.seq is not None and outcome.status not in WAITING:
            fronts[event.user_id] = max(event.seq + 1, fronts.get(event.user_id, 0))
    return fronts


def _order_changes(
    lanes: Mapping[str, LaneState], outcomes: Iterable[Outcome], *, late: bool = False
) -> list[OrderChange]:
    seqs: dict[str, list[int]] = {}
    for outcome in outcomes:
        if outcome.event.seq is not None and outcome.status is Status.PROCESSED:
            seqs.setdefault(outcome.event.user_id, []).append(outcome.event.seq)
    return [
        OrderChange(user, None if late else lanes[user].order_version, lanes[user].order_version + 1, sorted(processed))
        for user, processed in seqs.items()
    ]


def _bury(cursor: Cursor, settled: Settled, poisons: Sequence[str]) -> None:
    """Make dead letters of what has failed for good."""
    failed = [outcome.event.id for outcome in settled.outcomes if outcome.status is Status.FAILED]
    store.add_dead_letters(cursor, failed, DeadLetter.Reason.FAILED, settled.at)
    store.add_dead_letters(cursor, poisons, DeadLetter.Reason.POISON, settled.at)
    settled.poisoned = len(poisons)


def now() -> datetime:
    """The time of an outcome, in whole milliseconds, as it is told everywhere; rounded up, so never before the event
    was received."""
    moment = datetime.now(UTC)
    return moment + timedelta(microseconds=-moment.microsecond % 1000)
