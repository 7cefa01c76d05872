"""Dead letters whose seq was too far ahead of their lane: a replay decides anew, as if they came now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.conf import settings

from processing.domain.lanes import LaneState, highest_of, is_far
from processing.domain.statuses import FINAL, Status
from processing.domain.tally import REPLAYED, SKIPPED, Tally
from processing.engine.handlers import retry_policy
from processing.engine.process_batch import why_far
from processing.postgres.dead_letters import FarEvent, delete_dead_letters
from processing.postgres.due import highest_waiting
from processing.postgres.inbox import StatusChange, change_statuses, give_seqs
from processing.postgres.lanes import LaneMove, move_lanes
from processing.postgres.poisons import taken_seqs
from processing.postgres.tallies import tally_ids
from processing.postgres.transaction import Cursor, outcome_time


@dataclass
class Decided:
    """What became of them, by id; `waiting` are ids that can be tried."""

    became: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    tally: Tally = field(default_factory=Counter)


def decide(
    cursor: Cursor, events: Sequence[FarEvent], lanes: Mapping[str, LaneState], orders: Mapping[str, int], number: int
) -> Decided:
    """Put these (locked) dead letters, ascending by seq, into their (locked) lanes, where their seqs allow it now."""
    decided = Decided()
    if not events:
        return decided
    taken = taken_seqs(cursor, [(event.user_id, event.seq) for event in events])
    highest = highest_waiting(cursor, {event.user_id for event in events})
    changes: dict[str, StatusChange] = {}
    for event in events:
        lane, top = lanes[event.user_id], highest.get(event.user_id, 0)
        if is_far(lane, event.seq, top, settings.SEQUENCE_MAX_AHEAD):
            decided.refused[event.id] = why_far(event.user_id, event.seq, highest_of(lane, top))
            continue
        changes[event.id] = _change(event, lane, orders[event.id], number, is_taken=(event.user_id, event.seq) in taken)
        decided.became[event.id] = f"{changes[event.id].status}, with seq {event.seq}"
        if changes[event.id].status not in FINAL:
            taken.add((event.user_id, event.seq))
            highest[event.user_id] = max(top, event.seq)
            decided.waiting.append(event.id)
    skipped = [id for id, change in changes.items() if change.status is Status.SKIPPED]
    decided.tally = tally_ids(cursor, {REPLAYED: list(changes), SKIPPED: skipped})
    _store(cursor, [event for event in events if event.id in changes], changes, lanes)
    return decided


def _change(event: FarEvent, lane: LaneState, order: int, number: int, *, is_taken: bool) -> StatusChange:
    if is_taken:
        error = f"seq {event.seq} of {event.user_id!r} belongs to another event that came first"
        return StatusChange(event.id, Status.SKIPPED, 0, error, replay=number, replay_order=order)
    if event.seq >= lane.next_seq:
        return StatusChange(event.id, Status.HELD, 0, replay=number, replay_order=order)
    limit = retry_policy().attempt_limit()
    return StatusChange(
        event.id, Status.RETRYING, 0, attempt_limit=limit, retry_in_ms=0, replay=number, replay_order=order
    )


def _store(
    cursor: Cursor, events: Sequence[FarEvent], changes: Mapping[str, StatusChange], lanes: Mapping[str, LaneState]
) -> None:
    delete_dead_letters(cursor, changes)
    give_seqs(cursor, {event.id: event.seq for event in events})
    change_statuses(cursor, list(changes.values()), outcome_time(cursor), fresh=False)
    held = sorted({event.user_id for event in events if changes[event.id].status is Status.HELD})
    moves = [LaneMove(user, lanes[user].next_seq, True, lanes[user].order_version) for user in held]
    move_lanes(cursor, moves, outcome_time(cursor))
