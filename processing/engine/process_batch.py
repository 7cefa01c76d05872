"""What commits, and in which order: the transactions that give events their outcome.

`settle_batch` records a batch from Kafka; `take_turns` lets waiting events of lanes run, `retry_free` those that no
lane holds; `pass_gaps` gives up on missing seqs. Each is one transaction. The hot state is written after it, from the
`Settled` that it returns (see `hot_state.py`); what no redelivery would bring again is named in the outbox.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from processing.domain.envelope import Event
from processing.domain.lanes import LaneState, plan_arrivals
from processing.domain.messages import Arrived, Message, Poison
from processing.domain.outcomes import Attempt, BatchResult, OrderChange, Outcome
from processing.domain.statuses import WAITING, Status
from processing.engine.handlers import run_handlers
from processing.models import DeadLetter
from processing.postgres.dead_letters import add_dead_letters
from processing.postgres.due import WaitingEvent
from processing.postgres.inbox import (
    StatusChange,
    change_statuses,
    insert_arrivals,
    insert_poison,
    move_final_time,
    owned_seqs,
)
from processing.postgres.lanes import LaneMove, lock_lanes, move_lanes
from processing.postgres.outbox import add_to_outbox
from processing.postgres.transaction import Cursor, transaction


def process_batch(arrivals: Sequence[Arrived], poisons: Sequence[Poison], *, comes_again: bool = True) -> BatchResult:
    """Record a batch, in the order of the log, and run what can run. The same batch again changes nothing.

    If it is not sure that it `comes_again` after a crash, as from a file, all of it that is final is named in the
    outbox; such events are not marked as being worked on.
    """
    first = {a.event.id: a for a in reversed(arrivals)}
    unique = [a.event for a in arrivals if first[a.event.id] is a]
    with transaction() as cursor:
        settled = BatchResult()
        known = insert_arrivals(cursor, unique, settled.at) if unique else set()
        known_poison = insert_poison(cursor, poisons, settled.at)
        fresh = [event for event in unique if event.id not in known]
        lanes = lock_lanes(cursor, {e.user_id for e in fresh if e.seq is not None}, create=True)
        is_late = _keep_time(settled, lanes)
        runs, changes = _plan(cursor, fresh, lanes, settled)
        settled.outcomes = run_handlers(runs)
        settled.arrived = [o.event for o in settled.outcomes if o.status is Status.PROCESSED]
        if is_late:
            move_final_time(cursor, [event.id for event in settled.arrived], settled.at)
        changes += _changes(o for o in settled.outcomes if o.status is not Status.PROCESSED)
        changes = [_with_message(change, first[change.id].message) for change in changes]
        change_statuses(cursor, changes, settled.at, fresh=True)
        waits = {first[change.id].event.user_id for change in changes if change.status in WAITING}
        waits |= {user for user, lane in lanes.items() if lane.waiting}
        move_lanes(cursor, _moves(lanes, settled, waits), settled.at)
        _add_dead_letters(cursor, settled, [p.id for p in poisons if p.id not in known_poison])
        settled.look_up = [c.id for c in changes if c.status not in WAITING] + [p.id for p in poisons]
        if not comes_again:
            settled.outbox_id = add_to_outbox(cursor, [e.id for e in settled.arrived] + settled.look_up)
    if comes_again:
        settled.worked = [event.id for event in unique]
        settled.look_up += sorted(known)  # whoever made them final may not have lived to write their hot state
    settled.held = sum(change.status is Status.HELD for change in changes)
    settled.known = len(arrivals) - len(fresh) + len(known_poison)
    return settled


def _keep_time(settled: BatchResult, lanes: Mapping[str, LaneState]) -> bool:
    """A lane's outcomes have times that never go back, though another process, whose clock may be ahead, moved it while
    this one waited for the lock. Returns whether the time was put on."""
    latest = max((lane.moved_at for lane in lanes.values() if lane.moved_at is not None), default=settled.at)
    is_late = latest > settled.at
    settled.at = max(latest, settled.at)
    return is_late


def _plan(
    cursor: Cursor, fresh: Sequence[Event], lanes: Mapping[str, LaneState], settled: BatchResult
) -> tuple[list[Attempt], list[StatusChange]]:
    """The runs of a batch, and what becomes of the events that are not run.

    A lane's runs take the places in the log that they have together, in the order of their seqs.
    """
    runs: dict[int, Attempt] = {}
    by_lane: dict[str, list[Event]] = {}
    places: dict[str, int] = {}
    for place, event in enumerate(fresh):
        if event.seq is None:
            runs[place] = Attempt(event)
        else:
            by_lane.setdefault(event.user_id, []).append(event)
            places[event.id] = place
    owned = owned_seqs(cursor, [e for user in by_lane if lanes[user].waiting for e in by_lane[user]])
    changes: list[StatusChange] = []
    for user, arrivals in by_lane.items():
        plan = plan_arrivals(lanes[user], arrivals, owned.get(user, set()))
        for place, event in zip(sorted(places[event.id] for event in plan.run), plan.run, strict=True):
            runs[place] = Attempt(event, chain=user)
        changes += [StatusChange(event.id, Status.HELD, 0) for event in plan.held]
        changes += [
            StatusChange(event.id, Status.SKIPPED, 0, _why_skipped(lanes[user], event)) for event in plan.skipped
        ]
        settled.skipped += len(plan.skipped)
        if plan.ready:
            settled.ready.add(user)
    return [runs[place] for place in sorted(runs)], changes


def _why_skipped(lane: LaneState, event: Event) -> str:
    if event.seq is not None and event.seq < lane.next_seq:
        return f"seq {event.seq} was passed: the lane of {event.user_id!r} stands at {lane.next_seq}"
    return f"seq {event.seq} of {event.user_id!r} belongs to another event that came first"


def _can_run(each: WaitingEvent) -> bool:
    return each.status is Status.HELD or each.due


def _changes(outcomes: Iterable[Outcome]) -> list[StatusChange]:
    return [StatusChange(o.event.id, o.status, o.attempts, o.error, o.attempt_limit, o.retry_in_ms) for o in outcomes]


def _with_message(change: StatusChange, message: Message) -> StatusChange:
    """What is final on arrival needs its bytes no more, unless it is a dead letter."""
    if change.status is Status.SKIPPED:
        return change
    return StatusChange(
        change.id, change.status, change.attempts, change.error, change.attempt_limit, change.retry_in_ms, message
    )


def _moves(lanes: Mapping[str, LaneState], settled: BatchResult, waits: Collection[str]) -> list[LaneMove]:
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


def _add_dead_letters(cursor: Cursor, settled: BatchResult, poisons: Sequence[str]) -> None:
    """Make dead letters of what has failed for good."""
    failed = [outcome.event.id for outcome in settled.outcomes if outcome.status is Status.FAILED]
    add_dead_letters(cursor, failed, DeadLetter.Reason.FAILED, settled.at)
    add_dead_letters(cursor, poisons, DeadLetter.Reason.POISON, settled.at)
    settled.poisoned = len(poisons)
