"""Poisons, decoded anew: one that can be read now becomes the event that it carries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from django.conf import settings

from processing.domain.envelope import Event
from processing.domain.failures import kind_of
from processing.domain.lanes import LaneState, highest_of, is_far
from processing.domain.messages import Arrival, read_message
from processing.domain.statuses import FINAL, Status
from processing.domain.tally import AHEAD, SKIPPED, Tally
from processing.engine.handlers import retry_policy
from processing.engine.other_content import WHY, differs, of, stored_contents
from processing.engine.process_batch import letters_of_far, why_far
from processing.models import DeadLetter
from processing.postgres.dead_letters import add_dead_letters, delete_dead_letters
from processing.postgres.due import highest_waiting
from processing.postgres.inbox import StatusChange, change_statuses, disown_seqs
from processing.postgres.lanes import LaneMove, move_lanes
from processing.postgres.poisons import delete_events, fill_ids, poison_messages, taken_seqs
from processing.postgres.transaction import Cursor, outcome_time

ENDED = {Status.SKIPPED: SKIPPED, Status.FAILED: AHEAD}  # at once


@dataclass
class Readings:
    """By a poison's id: the event that it carries, or why it still cannot be read."""

    events: dict[str, Event] = field(default_factory=dict)
    of_one_content: set[str] = field(default_factory=set)  # those whose event's id stands for one content
    refused: dict[str, str] = field(default_factory=dict)


@dataclass
class Carried:
    """What became of poisons: by id a text, and the event that it is now, unless the inbox had that one."""

    became: dict[str, str] = field(default_factory=dict)
    events: dict[str, str] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)  # ids of events that can be tried
    final: list[str] = field(default_factory=list)  # skipped, or too far ahead
    tally: Tally = field(default_factory=Counter)


@dataclass(frozen=True)
class Placed:
    """An event that takes a poison's place in the inbox."""

    poison: str
    event: Event
    status: Status
    error: str | None
    order: int


def read(poisons: Sequence[str]) -> Readings:
    """Decode these poisons anew, in the order given."""
    readings = Readings()
    if not poisons:
        return readings
    for id, size, message in poison_messages(poisons, settings.EVENT_MAX_BYTES):
        if size is not None and message.value is None:
            readings.refused[id] = f"it has {size} bytes, EVENT_MAX_BYTES allows {settings.EVENT_MAX_BYTES}"
            continue
        outcome = read_message(message)
        if isinstance(outcome, Arrival):
            readings.events[id] = outcome.event
            if outcome.one_content:
                readings.of_one_content.add(id)
        else:
            readings.refused[id] = f"it still cannot be read: {outcome.error}"
    return readings


def place(
    lane: LaneState | None, event: Event, taken: Collection[tuple[str, int]], highest: int = 0, max_ahead: int = 0
) -> tuple[Status, str | None]:
    """The status of an event that was unreadable on arrival, and the reason if it is skipped or failed. Pure.

    `taken`: the (user, seq) that the inbox has for other events; `highest`: the highest seq that waits in its lane. If
    the lane has passed its seq, it takes effect late; if that is too far ahead, it stays a dead letter.
    """
    if lane is None or event.seq is None:
        return Status.RETRYING, None
    if (event.user_id, event.seq) in taken:
        return Status.SKIPPED, f"seq {event.seq} of {event.user_id!r} belongs to another event that came first"
    if is_far(lane, event.seq, highest, max_ahead):
        return Status.FAILED, why_far(event.user_id, event.seq, highest_of(lane, highest))
    return (Status.RETRYING if event.seq < lane.next_seq else Status.HELD), None


def find_other_contents(
    cursor: Cursor, poisons: Mapping[str, Event], of_one_content: Collection[str], fresh: Collection[str]
) -> dict[str, str]:
    """Those that stay as they are, with the reason: their event's id stands for another content, in the inbox or among
    these. `fresh` has the ids that the inbox did not have."""
    own = {id: event for id, event in poisons.items() if id in of_one_content}
    known = stored_contents(cursor, {event.id for event in own.values()}.difference(fresh)) if own else {}
    return {
        id: f"its id {event.id!r} {WHY}"
        for id, event in own.items()
        if differs(event, known.setdefault(event.id, of(event)))
    }


def put_in_place(
    cursor: Cursor,
    poisons: Mapping[str, Event],
    fresh: set[str],
    lanes: Mapping[str, LaneState],
    orders: Mapping[str, int],
    number: int,
) -> Carried:
    """Put the events that these (locked) poisons carry in their places; `fresh` has the ids taken by `insert_ids`."""
    carried = Carried()
    placed: list[Placed] = []
    taken = taken_seqs(cursor, [(e.user_id, e.seq) for e in poisons.values() if e.seq is not None])
    highest = highest_waiting(cursor, [user for user, lane in lanes.items() if lane.waiting])
    free = set(fresh)
    for poison, event in poisons.items():
        if event.id not in free:
            carried.became[poison] = f"known: the inbox already has {event.id!r}, which it carries"
        else:
            free.discard(event.id)
            top = highest.get(event.user_id, 0)
            status, error = place(lanes.get(event.user_id), event, taken, top, settings.SEQUENCE_MAX_AHEAD)
            if event.seq is not None and status not in FINAL:
                highest[event.user_id] = max(top, event.seq)
                taken.add((event.user_id, event.seq))
            placed.append(Placed(poison, event, status, error, orders[poison]))
            carried.became[poison] = f"became {event.id!r}: {error or status}"
    carried.events = {p.poison: p.event.id for p in placed}
    carried.waiting = [p.event.id for p in placed if p.status not in FINAL]
    carried.final = [p.event.id for p in placed if p.status in FINAL]
    carried.tally = Counter((kind_of(p.event), ENDED[p.status]) for p in placed if p.status in FINAL)
    _fill(cursor, placed, number)
    far = [p.event for p in placed if p.status is Status.FAILED]
    disown_seqs(cursor, [event.id for event in far])
    add_dead_letters(cursor, letters_of_far(far), DeadLetter.Reason.AHEAD, outcome_time(cursor))
    delete_dead_letters(cursor, poisons)
    delete_events(cursor, [*poisons, *free])
    held = sorted({p.event.user_id for p in placed if p.status is Status.HELD})
    moves = [LaneMove(user, lanes[user].next_seq, True, lanes[user].order_version) for user in held]
    move_lanes(cursor, moves, outcome_time(cursor))
    return carried


def _fill(cursor: Cursor, placed: Sequence[Placed], number: int) -> None:
    """Give the rows of `insert_ids` their content and their status."""
    if not placed:
        return
    keep = {p.event.id for p in placed if p.status is not Status.SKIPPED}
    fill_ids(cursor, [p.event for p in placed], [p.poison for p in placed], keep=keep)
    change_statuses(cursor, [_change(p, number) for p in placed], outcome_time(cursor), fresh=True)


def _change(placed: Placed, number: int) -> StatusChange:
    if placed.status is not Status.RETRYING:
        return StatusChange(placed.event.id, placed.status, 0, placed.error)
    return StatusChange(
        placed.event.id,
        placed.status,
        0,
        attempt_limit=retry_policy().attempt_limit(),
        retry_in_ms=0,
        replay=number,
        replay_order=placed.order,
    )
