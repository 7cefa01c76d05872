"""Replay of dead letters: in which order, and what becomes of each, under the lock of its lane."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from processing.engine.handlers import retry_policy
from processing.models import DeadLetter
from processing.operators import redecode
from processing.operators.chunks import CHUNK, Effects, LockedDeadLetter, chunks, lock_dead_letters, record, why_not
from processing.postgres.lanes import lock_lanes
from processing.postgres.outbox import add_to_outbox
from processing.postgres.transaction import Cursor, raw_cursor, transaction

REPLAY = "replay"  # as OperatorAction.action says it
CHUNK_BYTES = 16_000_000  # of the unreadable messages that one transaction decodes, at most
NO_DEAD_LETTER = "is no dead letter"


@dataclass(frozen=True)
class Entry:
    """A dead letter whose turn it is. `order` counts through the whole call; `size` is in bytes."""

    id: str
    order: int
    size: int
    poison: bool


@dataclass
class Plan:
    entries: list[Entry] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """A dead letter where it stands in the log, and its place in its user's lane, if any."""

    position: tuple[Any, ...]
    id: str
    user_id: str
    seq: int | None
    size: int
    poison: bool


def plan(ids: Collection[str]) -> Plan:
    """Put what can be replayed in order. Of each event only a line is kept, so a call may name very many."""
    found: list[Found] = []
    refused: dict[str, str] = {}
    for chunk in chunks(sorted(set(ids)), CHUNK):
        with transaction() as cursor:
            rows = _find(cursor, chunk)
            refused.update(why_not(cursor, set(chunk).difference(row.id for row in rows), wanted=NO_DEAD_LETTER))
        found += [row for row in rows if not row.poison]
        found += _readable([row for row in rows if row.poison], refused)
    return Plan([Entry(f.id, order, f.size, f.poison) for order, f in enumerate(in_order(found), 1)], refused)


def in_order(found: Sequence[Found]) -> list[Found]:
    """In the order of the log; but the places there of a user's numbered events are filled by ascending seq."""
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


def next_number() -> int:
    """A number for what is replayed together, which no other call has."""
    row = raw_cursor().execute("SELECT nextval(pg_get_serial_sequence('processing_operatoraction', 'id'))").fetchone()
    assert row is not None
    return int(row[0])


def replay_chunk(entries: Sequence[Entry], *, number: int, actor: str) -> Effects:
    """One transaction. Its locks are in the order of everywhere: new ids, lanes, rows of the inbox."""
    orders = {entry.id: entry.order for entry in entries}
    readings = redecode.read([entry.id for entry in entries if entry.poison])
    effects = Effects(refused=dict(readings.refused))
    with transaction() as cursor:
        fresh = redecode.insert_ids(cursor, readings.events.values())
        lanes = lock_lanes(cursor, _users(cursor, orders, readings), create=True)
        buried = lock_dead_letters(cursor, list(orders))
        gone = set(orders).difference(buried, effects.refused)
        effects.refused.update(why_not(cursor, gone, wanted=NO_DEAD_LETTER))
        effects.refused.update(_unfit(buried))
        failed = [id for id in buried if id not in effects.refused and id not in readings.events]
        _retry(cursor, {id: orders[id] for id in failed}, number)
        poisons = {id: event for id, event in readings.events.items() if id in buried and id not in effects.refused}
        carried = redecode.settle(cursor, poisons, fresh, lanes, orders, number)
        effects.done = {**dict.fromkeys(failed, "to be tried again"), **carried.became}
        effects.refresh = [*failed, *poisons, *carried.skipped]
        effects.wake = [*failed, *carried.waiting]
        effects.outbox_id = add_to_outbox(cursor, effects.refresh)
        record(cursor, REPLAY, actor, {**dict.fromkeys(failed, f"replay {number}"), **carried.details})
    return effects


def _find(cursor: Cursor, ids: Sequence[str]) -> list[Found]:
    cursor.execute(
        """SELECT i.id, i.user_id, i.seq, coalesce(octet_length(i.raw), 0), d.reason = 'poison',
                  i.received_at, coalesce(i.topic, ''), coalesce(i.partition, 0), coalesce(i."offset", 0)
           FROM processing_inboxevent i JOIN processing_deadletter d ON d.event_id = i.id WHERE i.id = ANY(%s) AND d.discarded_at IS NULL""",
        (list(ids),),
    )
    return [Found((*place, id), id, user_id, seq, size, poison) for id, user_id, seq, size, poison, *place in cursor]


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


def _users(cursor: Cursor, ids: Collection[str], readings: redecode.Readings) -> set[str]:
    """The users whose lanes these events are in."""
    cursor.execute(
        "SELECT DISTINCT user_id FROM processing_inboxevent WHERE id = ANY(%s) AND seq IS NOT NULL", (list(ids),)
    )
    return {user for (user,) in cursor} | {e.user_id for e in readings.events.values() if e.seq is not None}


def _unfit(buried: Mapping[str, LockedDeadLetter]) -> dict[str, str]:
    """Dead letters that cannot be replayed as they are, and why."""
    reasons: dict[str, str] = {}
    for id, letter in buried.items():
        if not letter.published:
            reasons[id] = (
                f"its copy is not on {settings.KAFKA_DLQ_TOPIC} yet, and a replay would lose it: "
                "try again when Kafka takes it, see the log"
            )
        elif letter.reason != DeadLetter.Reason.POISON and not letter.readable:
            reasons[id] = "its payload is no longer kept"
    return reasons


def _retry(cursor: Cursor, orders: Mapping[str, int], number: int) -> None:
    """Give failed events a new set of tries; their attempts are counted on."""
    cursor.execute("DELETE FROM processing_deadletter WHERE event_id = ANY(%s)", (list(orders),))
    cursor.execute(
        """UPDATE processing_inboxevent i SET status = 'retrying', version = version + 1, attempt_limit = attempts + %s,
                  final_at = NULL, next_attempt_at = now(), replay = %s, replay_order = c.position
           FROM unnest(%s::text[], %s::int[]) AS c(id, position) WHERE i.id = c.id""",
        (retry_policy().attempt_limit(), number, list(orders), list(orders.values())),
    )
