"""Replay of dead letters: in which order, and what becomes of each, under the lock of its lane."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from django.conf import settings

from processing.domain.lanes import LaneState
from processing.domain.statuses import Status
from processing.domain.tally import REPLAYED
from processing.engine.handlers import retry_policy
from processing.models import DeadLetter
from processing.operators import far_ahead, redecode
from processing.operators.chunks import CHUNK, Effects, chunks, why_not
from processing.postgres.dead_letters import (
    Found,
    LockedDeadLetter,
    delete_dead_letters,
    far_events,
    locate,
    lock_dead_letters,
)
from processing.postgres.due import users_of_late_events
from processing.postgres.inbox import StatusChange, change_statuses
from processing.postgres.lanes import LaneMove, await_retry, lock_lanes, move_lanes, parked_on
from processing.postgres.operator_records import record
from processing.postgres.outbox import add_to_outbox
from processing.postgres.poisons import insert_ids
from processing.postgres.tallies import add_tally, tally_ids
from processing.postgres.transaction import Cursor, outcome_time, transaction

REPLAY = "replay"  # as OperatorAction.action says it
CHUNK_BYTES = 16_000_000  # of the unreadable messages that one transaction decodes, at most
NO_DEAD_LETTER = "is no dead letter"


@dataclass(frozen=True)
class Entry:
    """A dead letter to be replayed. `order` counts through the whole call; `size` is in bytes."""

    id: str
    order: int
    size: int
    poison: bool


@dataclass
class Plan:
    entries: list[Entry] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def plan(ids: Collection[str]) -> Plan:
    """The dead letters that can be replayed, in order. Each is a small entry, so a call may name very many."""
    found: list[Found] = []
    refused: dict[str, str] = {}
    for chunk in chunks(sorted(set(ids)), CHUNK):
        with transaction() as cursor:
            rows = locate(cursor, chunk)
            refused.update(why_not(cursor, set(chunk).difference(row.id for row in rows), wanted=NO_DEAD_LETTER))
        found += [row for row in rows if not row.poison]
        found += _readable([row for row in rows if row.poison], refused)
    return Plan([Entry(f.id, order, f.size, f.poison) for order, f in enumerate(in_order(found), 1)], refused)


def in_order(found: Sequence[Found]) -> list[Found]:
    """In the order of the log; a user's numbered events share the places they have there by ascending seq."""
    by_log = sorted(found, key=lambda f: f.position)
    numbered: dict[str, list[Found]] = {}
    for each in by_log:
        if each.seq is not None:
            numbered.setdefault(each.user_id, []).append(each)
    by_seq = {user: iter(sorted(events, key=lambda f: f.seq or 0)) for user, events in numbered.items()}
    return [each if each.seq is None else next(by_seq[each.user_id]) for each in by_log]


def bounded(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    """The entries in chunks that one transaction can take."""
    chunk: list[Entry] = []
    size = 0
    for entry in entries:
        if chunk and (len(chunk) == CHUNK or size + entry.size > CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(entry)
        size += entry.size
    if chunk:
        yield chunk


def replay_chunk(entries: Sequence[Entry], *, number: int, actor: str) -> Effects:
    """One transaction. It takes its locks in the one order: new ids, lanes, rows of the inbox."""
    orders = {entry.id: entry.order for entry in entries}
    readings = redecode.read([entry.id for entry in entries if entry.poison])
    effects = Effects(refused=dict(readings.refused))
    with transaction() as cursor:
        fresh = insert_ids(cursor, readings.events.values())
        lanes = lock_lanes(cursor, _users(cursor, list(orders), readings), create=True)
        letters = lock_dead_letters(cursor, list(orders))
        gone = set(orders).difference(letters, effects.refused)
        effects.refused.update(why_not(cursor, gone, wanted=NO_DEAD_LETTER))
        effects.refused.update(_refusals(letters))
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
        details = {**dict.fromkeys(failed, f"replay {number}"), **decided.became, **carried.details}
        record(cursor, REPLAY, actor, details)
        effects.tally = add_tally(cursor, effects.tally + decided.tally + carried.tally, outcome_time(cursor))
    return effects


def _readable(poisons: Sequence[Found], refused: dict[str, str]) -> list[Found]:
    """Those that can be read now, with the user and seq that they carry; the others are refused with the reason."""
    found: list[Found] = []
    for chunk in bounded([Entry(p.id, 0, p.size, poison=True) for p in poisons]):
        readings = redecode.read([entry.id for entry in chunk])
        refused.update(readings.refused)
        for poison in poisons:
            event = readings.events.get(poison.id)
            if event is not None:
                found.append(Found(poison.position, poison.id, event.user_id, event.seq, poison.size, poison=True))
    return found


def _users(cursor: Cursor, ids: Sequence[str], readings: redecode.Readings) -> set[str]:
    """The users whose lanes these events are in, or may come into."""
    users = users_of_late_events(cursor, ids) | {event.user_id for event in far_events(cursor, ids)}
    return users | {e.user_id for e in readings.events.values() if e.seq is not None}


def _await_in_lanes_set_back(cursor: Cursor, lanes: Mapping[str, LaneState]) -> None:
    """In a lane that was set back a replayed event may lie ahead: the lane waits for it like for any other."""
    moves = [LaneMove(u, each.next_seq, True, each.order_version) for u, each in lanes.items() if each.set_back_from]
    move_lanes(cursor, moves, outcome_time(cursor))


def _refusals(letters: Mapping[str, LockedDeadLetter]) -> dict[str, str]:
    """Dead letters that cannot be replayed as they are, and why."""
    reasons: dict[str, str] = {}
    for id, letter in letters.items():
        if not letter.published:
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
