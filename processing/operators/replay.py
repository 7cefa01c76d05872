"""Replay of dead letters: what becomes of each, under the lock of its lane."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from django.conf import settings

from processing.domain.failures import kind_of
from processing.domain.lanes import LaneState
from processing.domain.replays import ItemState
from processing.domain.statuses import Status
from processing.domain.tally import REPLAYED
from processing.engine.handlers import retry_policy
from processing.models import DeadLetter
from processing.operators import far_ahead, redecode
from processing.operators.chunks import CHUNK, Effects, why_not
from processing.postgres.dead_letters import (
    LockedDeadLetter,
    delete_dead_letters,
    far_events,
    lock_dead_letters,
)
from processing.postgres.due import users_of_late_events
from processing.postgres.failure_groups import lock_groups
from processing.postgres.inbox import StatusChange, change_statuses
from processing.postgres.lanes import LaneMove, await_retry, lock_lanes, move_lanes, parked_on
from processing.postgres.outbox import add_to_outbox
from processing.postgres.poisons import insert_ids
from processing.postgres.replay_items import Next, Outcome
from processing.postgres.tallies import add_tally, tally_ids
from processing.postgres.transaction import Cursor, outcome_time

CHUNK_BYTES = 16_000_000  # of the unreadable messages that one transaction decodes, at most
NO_DEAD_LETTER = "is no dead letter"


class Sized(Protocol):
    @property
    def size(self) -> int: ...


S = TypeVar("S", bound=Sized)


def bounded(entries: Sequence[S]) -> Iterator[Sequence[S]]:
    """The entries, whose sizes are in bytes, in chunks that one transaction can take."""
    chunk: list[S] = []
    size = 0
    for entry in entries:
        if chunk and (len(chunk) == CHUNK or size + entry.size > CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(entry)
        size += entry.size
    if chunk:
        yield chunk


def replay_in(
    cursor: Cursor, items: Sequence[Next], readings: redecode.Readings, number: int, since: datetime
) -> tuple[Effects, list[Outcome]]:
    """Replay these dead letters, unless they failed again after `since`; `readings` has what the poisons carry.

    Locks are taken in the one order: new ids, lanes, rows of the inbox, groups of failures.
    """
    orders = {item.id: item.order for item in items}
    effects = Effects(refused=dict(readings.refused))
    fresh = insert_ids(cursor, readings.events.values())
    lanes = lock_lanes(cursor, _users(cursor, list(orders), readings), create=True)
    letters = lock_dead_letters(cursor, list(orders))
    gone = set(orders).difference(letters, effects.refused)
    effects.refused.update(why_not(cursor, gone, wanted=NO_DEAD_LETTER))
    effects.refused.update(_refusals(letters, since))
    carried_kinds = {kind_of(event) for event in readings.events.values()}  # a poison's event may be too far ahead
    lock_groups(cursor, list(letters), DeadLetter.Reason.AHEAD, carried_kinds)
    far = far_events(cursor, [id for id in letters if id not in effects.refused])
    decided = far_ahead.decide(cursor, far, lanes, orders, number)
    effects.refused.update(decided.refused)
    others = {*effects.refused, *readings.events, *(event.id for event in far)}
    failed = {id: letter for id, letter in letters.items() if id not in others}
    poisons = {id: event for id, event in readings.events.items() if id in letters and id not in effects.refused}
    effects.refused.update(redecode.find_other_contents(cursor, poisons, readings.of_one_content, fresh))
    poisons = {id: event for id, event in poisons.items() if id not in effects.refused}
    effects.tally = tally_ids(cursor, {REPLAYED: [*failed, *poisons]})
    _retry(cursor, failed, orders, number)
    _await_in_lanes_set_back(cursor, lanes)
    carried = redecode.put_in_place(cursor, poisons, fresh, lanes, orders, number)
    effects.done = {**dict.fromkeys(failed, "to be tried again"), **decided.became, **carried.became}
    effects.refresh = [*failed, *decided.became, *poisons, *carried.final]
    effects.due = [*failed, *decided.waiting, *carried.waiting]
    effects.outbox_id = add_to_outbox(cursor, effects.refresh)
    effects.tally = add_tally(cursor, effects.tally + decided.tally + carried.tally, outcome_time(cursor))
    return effects, [*_replayed(effects.done, carried), *_left(effects.refused)]


def _replayed(done: Mapping[str, str], carried: redecode.Carried) -> Iterator[Outcome]:
    """A poison whose event the inbox had already waits for nothing."""
    for id, detail in done.items():
        known = id in carried.became and id not in carried.events
        yield Outcome(id, ItemState.SKIPPED if known else ItemState.WAITING, detail, carried.events.get(id, ""))


def _left(refused: Mapping[str, str]) -> Iterator[Outcome]:
    return (Outcome(id, ItemState.REFUSED, reason) for id, reason in refused.items())


def _users(cursor: Cursor, ids: Sequence[str], readings: redecode.Readings) -> set[str]:
    """The users whose lanes these events are in, or may come into."""
    users = users_of_late_events(cursor, ids) | {event.user_id for event in far_events(cursor, ids)}
    return users | {e.user_id for e in readings.events.values() if e.seq is not None}


def _await_in_lanes_set_back(cursor: Cursor, lanes: Mapping[str, LaneState]) -> None:
    """In a lane that was set back a replayed event may lie ahead: the lane waits for it like for any other."""
    moves = [LaneMove(u, each.next_seq, True, each.order_version) for u, each in lanes.items() if each.set_back_from]
    move_lanes(cursor, moves, outcome_time(cursor))


def _refusals(letters: Mapping[str, LockedDeadLetter], since: datetime) -> dict[str, str]:
    """Dead letters that cannot be replayed as they are, and why."""
    reasons: dict[str, str] = {}
    for id, letter in letters.items():
        if letter.queued_at > since:
            reasons[id] = "failed again since this run began: replay it anew"
        elif not letter.published:
            reasons[id] = (
                f"its copy is not on {settings.KAFKA_DLQ_TOPIC} yet, and a replay would lose it: "
                "try again when Kafka takes it, see the log"
            )
        elif letter.reason != DeadLetter.Reason.POISON and not letter.readable:
            reasons[id] = "its payload is no longer kept"
    return reasons


def _retry(cursor: Cursor, failed: Mapping[str, LockedDeadLetter], orders: Mapping[str, int], number: int) -> None:
    """Give failed events a new set of tries; their attempts are counted on."""
    delete_dead_letters(cursor, failed)
    tries = retry_policy().attempt_limit()
    changes = [
        StatusChange(
            id,
            Status.RETRYING,
            None,
            attempt_limit=letter.attempts + tries,
            retry_in_ms=0,
            replay=number,
            replay_order=orders[id],
        )
        for id, letter in failed.items()
    ]
    change_statuses(cursor, changes, outcome_time(cursor), fresh=False)
    await_retry(cursor, parked_on(cursor, failed))
