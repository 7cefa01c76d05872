"""What must be true when a load is over, whatever was killed meanwhile. Each check says what is wrong, if anything."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, cast

from redis import Redis

from processing.domain.tally import ENDS, TRIED
from processing.hot_state.write import INFLIGHT_TTL_S
from tests.pipeline.load import Sent
from tests.pipeline.log import Place, Record
from tests.pipeline.processes import POLL_S
from tests.pipeline.stack import QUICK, Stack

ATTEMPTS_OF_A_FAILURE = 1 + int(QUICK["RETRY_MAX_RETRIES"])
SHOWN = 20
CHUNK = 2_000
LONGEST_TRY_S = 5


@dataclass
class Expected:
    """What was sent. `skipped`: ids that must end so. `hot_since`: older hot state may be gone (Redis was emptied)."""

    sent: Sequence[Sent]
    places: Sequence[Place] = ()  # of `sent`
    poison: Sequence[tuple[Record, Place]] = ()
    skipped: frozenset[str] = frozenset()
    hot_since: datetime | None = None
    first: dict[str, Sent] = field(init=False)

    def __post_init__(self) -> None:
        self.first = {event.id: event for event in reversed(self.sent)}

    def status(self, event: Sent) -> tuple[str, int]:
        if event.id in self.skipped:
            return "skipped", 0
        return ("failed", ATTEMPTS_OF_A_FAILURE) if event.fail else ("processed", 1)

    @property
    def count(self) -> int:
        return len(self.first) + len(self.poison)


@dataclass(frozen=True)
class Row:
    id: str
    user: str
    type: str
    seq: int | None
    status: str
    attempts: int
    error: str | None
    final_at: datetime
    partition: int | None
    offset: int | None
    raw: bytes | None
    reason: str | None  # of the dead letter


def settle_and_check(stack: Stack, expected: Expected) -> None:
    """Wait until everything is final, then check it all."""
    stack.wait_until_final(expected.count)
    stack.wait_until(lambda: unpublished(stack) == 0, "every dead letter has its copy on the topic")
    check(stack, expected)


def unpublished(stack: Stack) -> int:
    return int(stack.value("SELECT count(*) FROM processing_deadletter WHERE published_at IS NULL"))


def check(stack: Stack, expected: Expected) -> None:
    rows = _rows(stack)
    problems = [
        *_outcomes(rows, expected),
        *_poison(rows, expected),
        *_lanes(rows),
        *_games(stack, expected),
        *_copies(stack, rows, expected),
        *_counts(stack, rows),
        *_hot_state(stack.redis, rows, expected),
    ]
    shown = "\n".join(problems[:SHOWN])
    assert not problems, f"{len(problems)} things are wrong:\n{shown}"


def _rows(stack: Stack) -> dict[str, Row]:
    found = stack.sql(
        """SELECT i.id, i.user_id, i.type, seq, status, attempts, error, final_at, i.partition, i."offset", raw,
                  d.reason
           FROM processing_inboxevent i LEFT JOIN processing_deadletter d ON d.event_id = i.id"""
    )
    return {row[0]: Row(*row) for row in found}


def _outcomes(rows: dict[str, Row], expected: Expected) -> Iterator[str]:
    """Every event has exactly the outcome that it was sent for."""
    for event in expected.first.values():
        row = rows.get(event.id)
        if row is None:
            yield f"{event} is lost"
        elif (row.status, row.attempts) != expected.status(event):
            yield f"{event} is {row.status} after {row.attempts}, not {expected.status(event)}: {row.error}"
        elif (row.reason == "failed") != (row.status == "failed"):
            yield f"{event} is {row.status}, its dead letter's reason {row.reason}"
    if len(rows) != expected.count:
        yield f"the inbox has {len(rows)} events, not {expected.count}"


def _poison(rows: dict[str, Row], expected: Expected) -> Iterator[str]:
    """Every poison is a dead letter with its bytes."""
    found = {(row.partition, row.offset): row for row in rows.values() if row.reason == "poison"}
    for record, place in expected.poison:
        row = found.get((place.partition, place.offset))
        if row is None:
            yield f"poison {(record.value or b'')[:80]!r} is no dead letter"
        elif (row.status, row.attempts, row.raw) != ("failed", 0, record.value):
            yield f"poison {(record.value or b'')[:80]!r} is {row.status}, {row.attempts}, {(row.raw or b'')[:80]!r}"


def _lanes(rows: dict[str, Row]) -> Iterator[str]:
    """The events of a lane became final in its order, each seq of it by one event."""
    lanes: dict[str, list[Row]] = defaultdict(list)
    for row in rows.values():
        if row.seq is not None and row.status in ("processed", "failed"):
            lanes[row.user].append(row)
    for user, lane in lanes.items():
        lane.sort(key=lambda row: row.seq or 0)
        for earlier, later in pairwise(lane):
            if earlier.seq == later.seq:
                yield f"{user}: {earlier.id} and {later.id} both took seq {later.seq}"
            if earlier.final_at > later.final_at:
                yield f"{user}: seq {later.seq} took effect before {earlier.seq}"


def _games(stack: Stack, expected: Expected) -> Iterator[str]:
    """Each game event has its one row, in its lane's order, or in the log's if it has no seq."""
    found = [row for (row,) in stack.sql("SELECT event_id FROM game_events ORDER BY id")]
    wanted = {e.id for e in expected.first.values() if e.family == "game" and expected.status(e)[0] == "processed"}
    yield from (f"game event {id} has {count} rows" for id, count in Counter(found).items() if count > 1)
    yield from (f"game event {id} has no row" for id in sorted(wanted.difference(found)))
    yield from (f"game event {id} has a row" for id in sorted(set(found) - wanted))
    places = _first_places(expected)
    last: dict[tuple[str, bool], tuple[int, int]] = {}
    for id in found:
        event = expected.first.get(id)
        if event is None or (event.seq is None and id not in places):
            continue
        place = (0, event.seq) if event.seq is not None else (places[id].partition, places[id].offset)
        key = (event.user, event.seq is None)
        if last.get(key, place) > place:
            yield f"{event} took effect too late: after {last[key]}"
        last[key] = place


def _first_places(expected: Expected) -> dict[str, Place]:
    places: dict[str, Place] = {}
    for event, place in zip(expected.sent, expected.places, strict=False):
        known = places.get(event.id)
        if known is None or place.offset < known.offset:
            places[event.id] = place
    return places


def _copies(stack: Stack, rows: dict[str, Row], expected: Expected) -> Iterator[str]:
    """Each dead letter is on its topic with its key and bytes, and says why."""
    copies = {}
    for message in stack.dead_letters():
        headers = dict(cast(list[tuple[str, bytes]], message.headers()))
        stood = int(headers["dlq-partition"]), int(headers["dlq-offset"])
        copies[stood] = (message.key(), message.value(), headers["dlq-reason"].decode(), int(headers["dlq-attempts"]))
    for record, place in expected.poison:
        yield from _compare_copy(copies.get((place.partition, place.offset)), (record.key, record.value, "poison", 0))
    for row in rows.values():
        if row.reason == "failed":
            record = expected.first[row.id].record()
            wanted = (record.key, record.value, "failed", row.attempts)
            yield from _compare_copy(copies.get((row.partition or 0, row.offset or 0)), wanted)


def _compare_copy(copy: tuple[Any, ...] | None, wanted: tuple[Any, ...]) -> Iterator[str]:
    if copy != wanted:
        yield f"on the dead-letter topic is {str(copy)[:200]}, not {str(wanted)[:200]}"


def _counts(stack: Stack, rows: dict[str, Row]) -> Iterator[str]:
    """What the pipeline counted of itself is what the inbox has, to the event."""
    counted = dict(stack.sql("SELECT what, sum(number)::int FROM processing_count WHERE kind <> '' GROUP BY what"))
    found = Counter(row.status for row in rows.values())
    compared = {
        "processed": (counted.get("processed", 0), found["processed"]),
        "final": (sum(counted.get(end, 0) for end in ENDS) - counted.get("replayed", 0), len(rows)),
        "attempts": (sum(counted.get(each, 0) for each in TRIED), sum(row.attempts for row in rows.values())),
    }
    for what, (count, wanted) in compared.items():
        if count != wanted:
            yield f"counted as {what} are {count}, the inbox has {wanted}"


def _hot_state(redis: Redis, rows: dict[str, Row], expected: Expected) -> Iterator[str]:
    """Redis tells what Postgres has, and nothing is in flight."""
    for number in range(0, len(rows), CHUNK):
        yield from _event_keys(redis, list(rows.values())[number : number + CHUNK], expected)
    yield from _order_lists(redis, rows.values(), expected)
    yield from _dead_letter_keys(redis, rows.values(), expected)
    left = _stale_marks(redis)
    if left:
        yield f"still in flight: {left[:5]}, {len(left)} altogether"


def _stale_marks(redis: Redis) -> list[str]:
    """Marks older than any try. A younger one may be that of a second hint to the same retry: it is waited for."""
    while marks := list(redis.scan_iter("inflight:*", count=10_000)):
        stale = [mark for mark in marks if 0 <= redis.ttl(mark) < INFLIGHT_TTL_S - LONGEST_TRY_S]
        if stale:
            return stale
        time.sleep(POLL_S)
    return []


def _event_keys(redis: Redis, rows: Sequence[Row], expected: Expected) -> Iterator[str]:
    pipeline = redis.pipeline(transaction=False)
    for row in rows:
        pipeline.hgetall(f"event:{row.id}")
        pipeline.exists(f"dedup:{row.id}")
    answers = iter(pipeline.execute())
    for row in rows:
        fields, dedup = next(answers), next(answers)
        if not fields and not dedup and _may_be_gone(row, expected):
            continue
        seen = {name: value for name, value in fields.items() if name != "version"}
        if seen != _fields(row) or not dedup:
            yield f"event:{row.id} is {seen}, not {_fields(row)}; dedup: {dedup}"


def _fields(row: Row) -> dict[str, str]:
    fields = {
        "status": row.status,
        "processedAt": str(round(row.final_at.timestamp() * 1000)),
        "attempts": str(row.attempts),
        "userId": row.user,
        "type": row.type,
    }
    if row.seq is not None:
        fields["seq"] = str(row.seq)
    if row.error:
        fields["error"] = row.error
    return fields


def _may_be_gone(row: Row, expected: Expected) -> bool:
    return expected.hot_since is not None and row.final_at < expected.hot_since


def _order_lists(redis: Redis, rows: Iterable[Row], expected: Expected) -> Iterator[str]:
    lists: dict[str, list[int]] = defaultdict(list)
    recent: set[str] = set()
    for row in rows:
        if row.seq is not None and row.status == "processed":
            lists[row.user].append(row.seq)
            if not _may_be_gone(row, expected):
                recent.add(row.user)
    for user, seqs in lists.items():
        told = [int(seq) for seq in redis.lrange(f"order:{user}", 0, -1)]
        if told != sorted(seqs) and (told or user in recent):
            yield f"order:{user} is {_short(told)}, not {_short(sorted(seqs))}"


def _short(seqs: Sequence[int]) -> str:
    return f"{len(seqs)} seqs {list(seqs[:5])}…{list(seqs[-5:])}"


def _dead_letter_keys(redis: Redis, rows: Iterable[Row], expected: Expected) -> Iterator[str]:
    listed = Counter(str(id) for id in redis.lrange("dlq:list", 0, -1))
    yield from (f"dlq:list names {id} {count} times" for id, count in listed.items() if count > 1)
    dead = {row.id: row for row in rows if row.reason is not None}
    yield from (f"dlq:list names {id}, which is no dead letter" for id in listed if id not in dead)
    for row in dead.values():
        if row.id not in listed:
            if not _may_be_gone(row, expected):
                yield f"dlq:list does not name {row.id}"
            continue
        told = {str(name): str(value) for name, value in redis.hgetall(f"dlq:{row.id}").items()}
        if not told and _may_be_gone(row, expected):  # the list is put back whole, its hashes by a rebuild
            continue
        wanted = {"eventId": row.id, "attempts": str(row.attempts), "error": row.error or ""}
        if {name: told.get(name) for name in wanted} != wanted or not told.get("queuedAt", "").isdigit():
            yield f"dlq:{row.id} is {told}, not {wanted}"
