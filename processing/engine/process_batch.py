"""The transaction of a batch: arrivals are recorded, and those that no lane holds back run.

What commits, in this order: inbox rows, lanes, the handlers' effects, statuses, lane positions, dead letters, what is
to be done outside the database, the row of the outbox for what no redelivery would bring again, and how far the log has
been read. What follows the commit is in `after_commit`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache

from django.conf import settings

from processing.domain.envelope import Event
from processing.domain.failures import TOO_FAR_AHEAD, Letter, kind_of, kind_of_poison
from processing.domain.kinds import SetAside
from processing.domain.lanes import LanePlan, LaneState, plan_arrivals
from processing.domain.messages import Arrived, Message, Poison
from processing.domain.outcomes import Attempt, BatchResult, HotStateUpdate, Outcome, effects_of, unhappy
from processing.domain.statuses import WAITING, Status
from processing.engine.batch_tally import outcomes_of, tally_arrivals, tally_poisons
from processing.engine.handlers import run_handlers
from processing.engine.lane_moves import lane_fronts, lane_moves, order_changes, parked_by
from processing.engine.other_content import find_other_contents
from processing.metrics import POSTGRES_SECONDS
from processing.models import DeadLetter
from processing.postgres.dead_letters import add_dead_letters
from processing.postgres.due import highest_waiting
from processing.postgres.effects import add_effects
from processing.postgres.failures import record_failures
from processing.postgres.inbox import (
    SetAsideArrival,
    StatusChange,
    change_statuses,
    disown_seqs,
    insert_arrivals,
    insert_poison,
    move_final_time,
    owned_seqs,
)
from processing.postgres.kinds import read_set_aside_and_time
from processing.postgres.lanes import lock_lanes, move_lanes
from processing.postgres.log_positions import Moves, transaction_moving
from processing.postgres.outbox import add_to_outbox
from processing.postgres.tallies import add_tally
from processing.postgres.transaction import Cursor, outcome_time


@POSTGRES_SECONDS.time()
def process_batch(
    arrivals: Sequence[Arrived], poisons: Sequence[Poison], *, comes_again: bool = True, moves: Moves = ()
) -> BatchResult:
    """Record a batch, in the order of the log, and run what can run. The same batch again changes nothing.

    Unless the batch surely `comes_again` after a crash, which one from a file does not, its final events are named in
    the outbox. `moves`: how far it reads each partition.
    """
    first = _first(arrivals)
    unique = [arrival.event for arrival in first.values()]
    with transaction_moving(moves) as cursor:
        kinds, inserted_at = read_set_aside_and_time(cursor)
        set_aside = _find_set_aside(kinds, (first[event.id] for event in unique))
        new = insert_arrivals(cursor, unique, inserted_at, list(set_aside.values())) if unique else set()
        all_poisons = [*poisons, *find_other_contents(cursor, arrivals, first, new)]
        known_poisons = insert_poison(cursor, all_poisons, inserted_at)
        fresh = unique if len(new) == len(unique) else [event for event in unique if event.id in new]
        lanes = lock_lanes(cursor, {e.user_id for e in fresh if e.seq is not None}, create=True)
        at = outcome_time(cursor) if _any_moved_since(lanes, inserted_at) else inserted_at
        plan = _plan(cursor, [first[event.id] for event in fresh], lanes, set_aside)
        outcomes = run_handlers(plan.attempts)
        failed = unhappy(outcomes)
        arrived = [o.event for o in outcomes if not failed or o.status is Status.PROCESSED]
        move_final_time(cursor, arrived, inserted_at, at)
        changes = _change_statuses(cursor, plan, failed, first, at)
        waits = {first[change.id].event.user_id for change in changes if change.status in WAITING} | plan.waits
        ordered = [outcome for outcome in outcomes if outcome.event.seq is not None] if lanes else ()
        orders = order_changes(lanes, ordered)
        move_lanes(cursor, lane_moves(lanes, lane_fronts(ordered), orders, waits, plan.stuck), at, parked_by(failed))
        _record_failures(cursor, failed, [p for p in all_poisons if p.id not in known_poisons], plan.far, at)
        refresh = [change.id for change in changes if change.status not in WAITING] + [p.id for p in all_poisons]
        add_effects(cursor, effects_of(outcomes))
        outbox_id = None if comes_again else add_to_outbox(cursor, [event.id for event in arrived] + refresh)
        tally = add_tally(
            cursor,
            tally_arrivals(arrivals, first, new, outcomes_of(changes, plan.far, set_aside), at)
            + tally_poisons(poisons, all_poisons, known_poisons, at),
            at,
        )
    refresh += [change.id for change in changes if change.status is Status.RETRYING]  # of which Redis has a mark only
    if comes_again:  # the process that made the known ones final may have died before it wrote their hot state
        refresh += sorted(first.keys() - new)
    return BatchResult(
        hot_state=HotStateUpdate(at, arrived, refresh, orders, outbox_id),
        outcomes=outcomes,
        ready=frozenset(plan.ready),
        tally=tally,
        began=inserted_at,
    )


def _first(arrivals: Sequence[Arrived]) -> dict[str, Arrived]:
    """By id the first arrival of each event, in their order."""
    first: dict[str, Arrived] = {}
    for arrival in arrivals:
        first.setdefault(arrival.event.id, arrival)
    return first


def _any_moved_since(lanes: Mapping[str, LaneState], at: datetime) -> bool:
    """Whether one was moved while this transaction waited for its lock."""
    return any(lane.moved_at is not None and lane.moved_at > at for lane in lanes.values())


def _record_failures(
    cursor: Cursor, outcomes: Sequence[Outcome], poisons: Sequence[Poison], far: Sequence[Event], at: datetime
) -> None:
    """Those of attempts, and new dead letters, by reason in one order: their groups are locked."""
    disown_seqs(cursor, [event.id for event in far])
    unreadable = [Letter(p.id, kind_of_poison(p.message.topic), p.cause, p.carried_id) for p in poisons]
    add_dead_letters(cursor, letters_of_far(far), DeadLetter.Reason.AHEAD, at)
    add_dead_letters(cursor, letters_of_failed(outcomes), DeadLetter.Reason.FAILED, at)
    add_dead_letters(cursor, unreadable, DeadLetter.Reason.POISON, at)
    record_failures(cursor, outcomes, at)


def _change_statuses(
    cursor: Cursor, plan: _Plan, failed: Sequence[Outcome], first: Mapping[str, Arrived], at: datetime
) -> list[StatusChange]:
    """Of all that did not end as processed; these changes, each with its message."""
    changes = plan.changes + status_changes(failed)
    changes = [_with_message(change, first[change.id].message) for change in changes]
    change_statuses(cursor, changes, at, fresh=True)
    return changes


@dataclass
class _Plan:
    """The attempts of a batch, in order, and what becomes of the events that are not tried now."""

    attempts: list[Attempt]
    changes: list[StatusChange] = field(default_factory=list)
    ready: set[str] = field(default_factory=set)
    stuck: set[str] = field(default_factory=set)  # users whose lanes wait for a kind now
    waits: set[str] = field(default_factory=set)  # users of whom something waits, or is set aside
    far: list[Event] = field(default_factory=list)

    def add_waiting(self, lane: LaneState, plan: LanePlan, set_aside: Collection[str]) -> None:
        """What does not run of a lane's new events; those set aside are stored as held already."""
        user = lane.user_id
        held = [event for event in plan.held if event.id not in set_aside]
        self.changes += [StatusChange(event.id, Status.HELD, 0) for event in held]
        if len(held) < len(plan.held):
            self.waits.add(user)
        self.changes += [StatusChange(e.id, Status.SKIPPED, 0, _why_skipped(lane, e)) for e in plan.skipped]
        self.changes += [StatusChange(e.id, Status.FAILED, 0, why_far(user, e.seq or 0, top)) for e, top in plan.far]
        self.far += [event for event, _ in plan.far]
        if plan.ready:
            self.ready.add(user)
        if plan.stuck:
            self.stuck.add(user)


def _find_set_aside(kinds: SetAside, arrivals: Iterable[Arrived]) -> dict[str, SetAsideArrival]:
    """By id those whose kind is not open; they are stored, and wait."""
    found: dict[str, SetAsideArrival] = {}
    find = cache(kinds.find)  # a batch has few types
    for arrival in arrivals if kinds else ():
        event = arrival.event
        kind = find(event.family, event.type, arrival.message.topic if kinds.topics else None)
        if kind is not None:
            found[event.id] = SetAsideArrival(event.id, kind, arrival.message)
    return found


def _plan(
    cursor: Cursor, fresh: Sequence[Arrived], lanes: Mapping[str, LaneState], set_aside: Collection[str]
) -> _Plan:
    """A lane's attempts share the places that they have in the log, in the order of their seqs."""
    result = _Plan([], waits={user for user, lane in lanes.items() if lane.waiting})
    attempts: dict[int, Attempt] = {}
    by_lane: dict[str, list[Event]] = {}
    places: dict[str, int] = {}
    for place, arrival in enumerate(fresh):
        event = arrival.event
        if event.seq is None:
            if event.id not in set_aside:
                attempts[place] = Attempt(event, arrival=arrival)
        else:
            by_lane.setdefault(event.user_id, []).append(event)
            places[event.id] = place
    owned = _owned(cursor, by_lane, lanes)
    highest = _highest_waiting(cursor, by_lane, lanes, set_aside)
    for user, arrivals in by_lane.items():
        lane, top = lanes[user], highest.get(user, 0)
        plan = plan_arrivals(
            lane,
            arrivals,
            owned.get(user, ()),
            set_aside,
            max_ahead=settings.SEQUENCE_MAX_AHEAD,
            highest_waiting=top,
        )
        for place, event in zip(sorted(places[event.id] for event in plan.run), plan.run, strict=True):
            attempts[place] = Attempt(event, ordering_key=user, arrival=fresh[places[event.id]])
        result.add_waiting(lane, plan, set_aside)
    result.attempts = [attempts[place] for place in sorted(attempts)]
    return result


def _owned(
    cursor: Cursor, by_lane: Mapping[str, Sequence[Event]], lanes: Mapping[str, LaneState]
) -> dict[str, set[int]]:
    """The seqs among these that another event has already, in lanes where that can be."""
    set_back = [e for user in by_lane if lanes[user].set_back_from is not None for e in by_lane[user]]
    waiting = [e for user in by_lane if lanes[user].holds for e in by_lane[user] if lanes[user].set_back_from is None]
    return owned_seqs(cursor, waiting) | owned_seqs(cursor, set_back, final_too=True)


def _highest_waiting(
    cursor: Cursor, by_lane: Mapping[str, Sequence[Event]], lanes: Mapping[str, LaneState], set_aside: Collection[str]
) -> dict[str, int]:
    """Asked for only where an event may be too far ahead. New ones that are set aside are in the inbox by now."""
    most = settings.SEQUENCE_MAX_AHEAD
    doubtful = {
        user
        for user, arrivals in by_lane.items()
        if lanes[user].waiting and 0 < most < max(e.seq or 0 for e in arrivals) - lanes[user].next_seq + 1
    }
    return highest_waiting(cursor, doubtful, without=set_aside)


def why_far(user_id: str, seq: int, highest: int) -> str:
    return (
        f"seq {seq} is more than {settings.SEQUENCE_MAX_AHEAD} (SEQUENCE_MAX_AHEAD) ahead of {highest}, the highest "
        f"that the lane of {user_id!r} has or has passed: it owns no seq until a replay"
    )


def _why_skipped(lane: LaneState, event: Event) -> str:
    if event.seq is not None and event.seq < lane.next_seq:
        return f"seq {event.seq} was passed: the lane of {event.user_id!r} stands at {lane.next_seq}"
    return f"seq {event.seq} of {event.user_id!r} belongs to another event that came first"


def _with_message(change: StatusChange, message: Message) -> StatusChange:
    """The change with the event's message. A skipped one runs only if its lane is set back: its place is enough."""
    if change.status is Status.SKIPPED:
        message = Message(message.topic, message.partition, message.offset, None, None, message.import_run)
    return replace(change, message=message)


def status_changes(outcomes: Iterable[Outcome]) -> list[StatusChange]:
    return [
        StatusChange(
            o.event.id, o.status, o.attempts, o.failure.text if o.failure else None, o.attempt_limit, o.retry_in_ms
        )
        for o in outcomes
    ]


def letters_of_failed(outcomes: Iterable[Outcome]) -> list[Letter]:
    """Of what has failed for good."""
    return [
        Letter(outcome.event.id, kind_of(outcome.event), outcome.failure.cause)
        for outcome in outcomes
        if outcome.status is Status.FAILED and outcome.failure is not None
    ]


def letters_of_far(events: Iterable[Event]) -> list[Letter]:
    return [Letter(event.id, kind_of(event), TOO_FAR_AHEAD) for event in events]
