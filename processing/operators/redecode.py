"""Dead letters that could not be read on arrival: decoded anew, a poison becomes the event that it carries."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.conf import settings

from processing.domain.envelope import Event
from processing.domain.lanes import LaneState
from processing.domain.messages import Arrival, Message, read_message
from processing.domain.outcomes import outcome_time
from processing.domain.statuses import Status
from processing.engine.handlers import retry_policy
from processing.postgres.lanes import LaneMove, move_lanes
from processing.postgres.transaction import Cursor, raw_cursor


@dataclass
class Readings:
    """By a poison's id: the event that it carries, or why it still cannot be read."""

    events: dict[str, Event] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


@dataclass
class Carried:
    """What became of the events that poisons carry. `became` and `details` are texts, by the poison's id."""

    became: dict[str, str] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)  # ids of events that can be tried
    skipped: list[str] = field(default_factory=list)


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
    cursor = raw_cursor().execute(
        """SELECT id, octet_length(raw), topic, partition, "offset", key,
                  CASE WHEN octet_length(raw) <= %s THEN raw END FROM processing_inboxevent
           WHERE id = ANY(%s) ORDER BY array_position(%s::text[], id)""",
        (settings.EVENT_MAX_BYTES, list(poisons), list(poisons)),
    )
    for id, size, *message in cursor:
        if size is not None and message[-1] is None:
            readings.refused[id] = f"it has {size} bytes, EVENT_MAX_BYTES allows {settings.EVENT_MAX_BYTES}"
            continue
        outcome = read_message(Message(*message))
        if isinstance(outcome, Arrival):
            readings.events[id] = outcome.event
        else:
            readings.refused[id] = f"it still cannot be read: {outcome.error}"
    return readings


def place(lane: LaneState | None, event: Event, taken: Collection[tuple[str, int]]) -> tuple[Status, str | None]:
    """The status of an event that was unreadable on arrival, and the reason if it is skipped. Pure.

    `taken`: the (user, seq) that the inbox has for other events. What its lane has passed takes effect late.
    """
    if lane is None or event.seq is None:
        return Status.RETRYING, None
    if (event.user_id, event.seq) in taken:
        return Status.SKIPPED, f"seq {event.seq} of {event.user_id!r} belongs to another event that came first"
    return (Status.RETRYING if event.seq < lane.next_seq else Status.HELD), None


def insert_ids(cursor: Cursor, events: Iterable[Event]) -> set[str]:
    """Take the ids of these events, in byte order: rows without content yet. Returns those that were free."""
    ids = sorted({event.id for event in events})
    if not ids:
        return set()
    cursor.execute(
        """INSERT INTO processing_inboxevent (id, user_id, type, family, status, attempts)
           SELECT id, '', '', '', 'retrying', 0 FROM unnest(%s::text[]) id ORDER BY id COLLATE "C"
           ON CONFLICT (id) DO NOTHING RETURNING id""",
        (ids,),
    )
    return {id for (id,) in cursor}


def settle(
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
    taken = _taken(cursor, poisons.values())
    free = set(fresh)
    for poison, event in poisons.items():
        if event.id not in free:
            carried.became[poison] = f"known: the inbox already has {event.id!r}, which it carries"
        else:
            free.discard(event.id)
            status, error = place(lanes.get(event.user_id), event, taken)
            if event.seq is not None and status is not Status.SKIPPED:
                taken.add((event.user_id, event.seq))
            placed.append(Placed(poison, event, status, error, orders[poison]))
            carried.became[poison] = f"became {event.id!r}: {error or status}"
    carried.details = {**carried.became, **{p.event.id: f"carried by {p.poison}: {p.status}" for p in placed}}
    carried.waiting = [p.event.id for p in placed if p.status is not Status.SKIPPED]
    carried.skipped = [p.event.id for p in placed if p.status is Status.SKIPPED]
    _fill(cursor, placed, number)
    _delete(cursor, list(poisons), free)
    held = {p.event.user_id for p in placed if p.status is Status.HELD}
    moves = [LaneMove(user, lanes[user].next_seq, True, lanes[user].order_version) for user in sorted(held)]
    move_lanes(cursor, moves, outcome_time())
    return carried


def _taken(cursor: Cursor, events: Iterable[Event]) -> set[tuple[str, int]]:
    """Of the seqs of these events, those that the inbox has for an event, whatever became of that one."""
    wanted = [(event.user_id, event.seq) for event in events if event.seq is not None]
    if not wanted:
        return set()
    cursor.execute(
        """SELECT i.user_id, i.seq FROM unnest(%s::text[], %s::bigint[]) AS n(user_id, seq)
           JOIN processing_inboxevent i ON i.user_id = n.user_id AND i.seq = n.seq WHERE i.status <> 'skipped'""",
        ([user for user, _ in wanted], [seq for _, seq in wanted]),
    )
    return {(user, seq) for user, seq in cursor}


def _fill(cursor: Cursor, placed: Sequence[Placed], number: int) -> None:
    """Give the rows of `insert_ids` their content. What is final at once needs its message no more."""
    cursor.execute(
        """UPDATE processing_inboxevent i SET user_id = c.user_id, type = c.type, family = c.family, seq = c.seq, status = c.status,
                  error = c.error, payload = c.payload, occurred_at = to_timestamp(c.ms / 1000.0),
                  attempt_limit = CASE WHEN c.status = 'retrying' THEN %(limit)s::int END,
                  final_at = CASE WHEN c.status = 'skipped' THEN date_trunc('milliseconds', now()) END,
                  next_attempt_at = CASE WHEN c.status = 'retrying' THEN now() END,
                  replay = CASE WHEN c.status = 'retrying' THEN %(number)s::bigint END,
                  replay_order = CASE WHEN c.status = 'retrying' THEN c.position END,
                  topic = p.topic, partition = p.partition, "offset" = p."offset",
                  key = CASE WHEN c.status <> 'skipped' THEN p.key END,
                  raw = CASE WHEN c.status <> 'skipped' THEN p.raw END
           FROM unnest(%(poison)s::text[], %(id)s::text[], %(user)s::text[], %(type)s::text[], %(family)s::text[],
                       %(seq)s::bigint[], %(status)s::text[], %(error)s::text[], %(payload)s::text[],
                       %(ms)s::bigint[], %(position)s::int[])
                  AS c(poison, id, user_id, type, family, seq, status, error, payload, ms, position)
                JOIN processing_inboxevent p ON p.id = c.poison
           WHERE i.id = c.id""",
        {
            "limit": retry_policy().attempt_limit(),
            "number": number,
            "poison": [p.poison for p in placed],
            "id": [p.event.id for p in placed],
            "user": [p.event.user_id for p in placed],
            "type": [p.event.type for p in placed],
            "family": [p.event.family for p in placed],
            "seq": [p.event.seq for p in placed],
            "status": [str(p.status) for p in placed],
            "error": [p.error for p in placed],
            "payload": [p.event.payload_json.decode() for p in placed],
            "ms": [p.event.timestamp for p in placed],
            "position": [p.order for p in placed],
        },
    )


def _delete(cursor: Cursor, poisons: Sequence[str], unused: Collection[str]) -> None:
    """The poisons are no more; nor are ids that were taken for poisons which someone else got first."""
    cursor.execute("DELETE FROM processing_deadletter WHERE event_id = ANY(%s)", (list(poisons),))
    cursor.execute("DELETE FROM processing_inboxevent WHERE id = ANY(%s)", ([*poisons, *unused],))
