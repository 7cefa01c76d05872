"""The inbox: rows are inserted here, and `change_statuses` is the one place where a status changes.

Every transaction takes its locks in one order: new inbox ids, lanes, rows already in the inbox, then what handlers
lock; each in byte order. All functions take a cursor of an open transaction.

Statements that look up ids or lanes say `(status = …) IS TRUE`: that fits no index. With statistics from before a kind
was set aside the planner takes no event to be waiting, and would read all that wait, once for each lane.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from psycopg.types.json import Json

from processing.domain.envelope import Event
from processing.domain.messages import Message, Poison, write_headers
from processing.domain.statuses import WAITING, Status
from processing.postgres.transaction import Cursor

# Beside an id or a lane it is asked for as `(status = ANY(…)) IS TRUE`, for which there is no index: the planner, whose
# statistics know nothing of a crowd that has just come, would read for each lane the index of all that waits anywhere.
WAITING_STATUSES = sorted(WAITING)
OWNING_STATUSES = sorted({*WAITING, Status.PROCESSED, Status.FAILED})  # at or behind a front; a skipped one came second


@dataclass(frozen=True)
class StatusChange:
    """A new status for an inbox row; a final status that it has already keeps its time.

    `attempts` is None when no handler ran: the row keeps its attempts and error, and its limit unless one is given.
    `message`, `replay` and `replay_order` (its place in the replay) are set if given, and stay as they are if not.
    `waits_for`: the kind that it waits for from now on, behind those that wait already, unless it came before them.
    """

    id: str
    status: Status
    attempts: int | None
    error: str | None = None
    attempt_limit: int | None = None
    retry_in_ms: int | None = None
    message: Message | None = None
    replay: int | None = None
    replay_order: int | None = None
    waits_for: str | None = None


@dataclass(frozen=True)
class SetAsideArrival:
    """A new event whose kind is not open, and its message, which its row keeps."""

    id: str
    kind: str
    message: Message


def insert_arrivals(
    cursor: Cursor, events: Sequence[Event], now: datetime, set_aside: Sequence[SetAsideArrival] = ()
) -> set[str]:
    """Insert the events, their ids unique, as processed at `now`, those in `set_aside` as held; rows that turn out
    otherwise are updated before the commit.

    `received_at` is the transaction's start, which is before `now`. Returns the ids that are new to the inbox.

    One message brings them all: the server has the whole of it before it locks any id, so that a sender which is frozen
    half-way keeps nobody waiting.
    """
    arrivals = Json([_row(event) for event in events], dumps=_encode)
    if set_aside:
        return _insert_with_set_aside(cursor, arrivals, now, set_aside)
    cursor.execute(
        f"""INSERT INTO processing_inboxevent (id, user_id, type, family, seq, status, attempts, payload, occurred_at,
                                               received_at, final_at)
            SELECT id, user_id, type, family, seq, %(processed)s, 1, payload, to_timestamp(timestamp_ms / 1000.0),
                   now(), %(now)s
            FROM {ARRIVALS} ORDER BY id COLLATE "C" ON CONFLICT (id) DO NOTHING RETURNING id""",
        {"arrivals": arrivals, "processed": Status.PROCESSED, "now": now},
    )
    if cursor.rowcount == len(events):  # mostly; to read the rows would cost as much as to write the message
        return {event.id for event in events}
    return {id for (id,) in cursor}


class _Row(msgspec.Struct, gc=False):
    """An event as ARRIVALS has it."""

    id: str
    user_id: str
    type: str
    family: str
    seq: int | None
    payload: msgspec.Raw
    timestamp_ms: int


def _row(event: Event) -> _Row:
    payload = msgspec.Raw(event.payload_json)
    return _Row(event.id, event.user_id, event.type, event.family, event.seq, payload, event.timestamp)


# of type json, not jsonb, from which a payload would come with its members in another order
ARRIVALS = """json_to_recordset(%(arrivals)s) AS a(id text, user_id text, type text, family text, seq bigint,
                                                   payload text, timestamp_ms bigint)"""
_encode = msgspec.json.Encoder().encode


def _insert_with_set_aside(
    cursor: Cursor, arrivals: Json, now: datetime, set_aside: Sequence[SetAsideArrival]
) -> set[str]:
    """The insert of `insert_arrivals`, in one statement and one order of locks: each row is written once."""
    cursor.execute(
        f"""INSERT INTO processing_inboxevent (id, user_id, type, family, seq, status, attempts, payload, occurred_at,
                                               received_at, final_at, waits_for, arrival, topic, partition, "offset",
                                               import_run, key, raw, headers, traceparent)
            SELECT a.id, a.user_id, a.type, a.family, a.seq,
                   CASE WHEN w.id IS NULL THEN %(processed)s ELSE %(held)s END,
                   CASE WHEN w.id IS NULL THEN 1 ELSE 0 END, a.payload, to_timestamp(a.timestamp_ms / 1000.0), now(),
                   CASE WHEN w.id IS NULL THEN %(now)s::timestamptz END, w.kind,
                   (SELECT nextval('processing_arrival')) + w.place, w.topic, w.partition, w."offset", w.import_run,
                   w.key, w.raw, w.headers, w.traceparent
            FROM {ARRIVALS} LEFT JOIN unnest(%(id)s::text[], %(kind)s::text[], %(topic)s::text[], %(partition)s::int[],
                                             %(offset)s::bigint[], %(import_run)s::int[], %(key)s::bytea[],
                                             %(raw)s::bytea[], %(headers)s::text[], %(traceparent)s::text[])
                 WITH ORDINALITY AS w(id, kind, topic, partition, "offset", import_run, key, raw, headers, traceparent,
                                      place) ON w.id = a.id
            ORDER BY a.id COLLATE "C" ON CONFLICT (id) DO NOTHING RETURNING id""",
        {
            "arrivals": arrivals,
            "processed": Status.PROCESSED,
            "held": Status.HELD,
            "now": now,
            "id": [each.id for each in set_aside],
            "kind": [each.kind for each in set_aside],
            **_columns([each.message for each in set_aside]),
        },
    )
    return {id for (id,) in cursor}


def insert_poison(cursor: Cursor, poisons: Sequence[Poison], now: datetime) -> set[str]:
    """Insert unreadable messages as failed, without a handler run. Returns the ids that the inbox had before."""
    if not poisons:
        return set()
    cursor.execute(
        """INSERT INTO processing_inboxevent (id, user_id, type, family, status, attempts, error, received_at, final_at,
                              topic, partition, "offset", import_run, key, raw, headers)
           SELECT id, user_id, type, family, %(failed)s, 0, error, now(), %(now)s,
                  topic, partition, "offset", import_run, key, raw, headers
           FROM unnest(%(id)s::text[], %(user)s::text[], %(type)s::text[], %(family)s::text[], %(error)s::text[],
                       %(topic)s::text[], %(partition)s::int[], %(offset)s::bigint[], %(import_run)s::int[],
                       %(key)s::bytea[], %(raw)s::bytea[], %(headers)s::text[])
                AS p(id, user_id, type, family, error, topic, partition, "offset", import_run, key, raw, headers)
           ORDER BY id COLLATE "C" ON CONFLICT (id) DO NOTHING RETURNING id""",
        {
            "failed": Status.FAILED,
            "now": now,
            "id": [p.id for p in poisons],
            "user": [p.user_id for p in poisons],
            "type": [p.type for p in poisons],
            "family": [p.family for p in poisons],
            "error": [p.error for p in poisons],
            **_columns([p.message for p in poisons]),
        },
    )
    fresh = {id for (id,) in cursor}
    return {p.id for p in poisons} - fresh


def contents(cursor: Cursor, ids: Collection[str]) -> dict[str, tuple[str, str, str]]:
    """User, type and payload of these events, where the payload is kept as it came."""
    cursor.execute(
        """SELECT id, user_id, type, payload FROM processing_inboxevent i
           WHERE id = ANY(%s) AND payload IS NOT NULL
             AND NOT EXISTS (SELECT FROM processing_edit e WHERE e.event_id = i.id)""",
        (list(ids),),
    )
    return {id: (user_id, event_type, payload) for id, user_id, event_type, payload in cursor}


def owned_seqs(cursor: Cursor, new: Sequence[Event], *, final_too: bool = False) -> dict[str, set[int]]:
    """The seqs of these new events that another event of the inbox already waits with, by user.

    `final_too`: or owns for good. That matters only in a lane that was set back.
    """
    if not new:
        return {}
    cursor.execute(
        # not a join: with old statistics the planner would read the whole table
        """SELECT o.user_id, o.seq FROM unnest(%s::text[], %s::bigint[]) AS n(user_id, seq), LATERAL (
             SELECT i.user_id, i.seq FROM processing_inboxevent i
             WHERE i.user_id = n.user_id AND i.seq = n.seq AND (i.status = ANY(%s)) IS TRUE AND i.id <> ALL(%s)
             LIMIT 1) o""",
        (
            [e.user_id for e in new],
            [e.seq for e in new],
            OWNING_STATUSES if final_too else WAITING_STATUSES,
            [e.id for e in new],  # they are in the inbox by now, as processed or set aside
        ),
    )
    owned: dict[str, set[int]] = {}
    for user_id, seq in cursor:
        owned.setdefault(user_id, set()).add(seq)
    return owned


def change_statuses(cursor: Cursor, changes: Sequence[StatusChange], now: datetime, *, fresh: bool) -> None:
    """Give inbox rows their new status and raise their version; `now` is the final time of those that become final.

    `fresh`: this transaction inserted the rows, so no other has seen their version and it stays. Otherwise the caller
    has locked them.
    """
    if not changes:
        return
    cursor.execute(
        """UPDATE processing_inboxevent i SET status = c.status, version = i.version + %(raise)s,
                  attempts = coalesce(c.attempts, i.attempts),
                  error = CASE WHEN c.attempts IS NULL THEN coalesce(c.error, i.error) ELSE c.error END,
                  attempt_limit = CASE WHEN c.attempts IS NULL THEN coalesce(c.attempt_limit, i.attempt_limit)
                                       ELSE c.attempt_limit END,
                  final_at = CASE WHEN c.status = ANY(%(waiting)s) THEN NULL
                                  WHEN c.status = i.status THEN i.final_at ELSE %(now)s END,
                  next_attempt_at = now() + c.retry_in_ms * interval '1 millisecond',
                  waits_for = c.waits_for,
                  arrival = CASE WHEN c.waits_for IS NOT NULL THEN
                    coalesce(i.arrival, (SELECT nextval('processing_arrival')) + c.place) END,
                  replay = coalesce(c.replay, i.replay), replay_order = coalesce(c.replay_order, i.replay_order),
                  topic = coalesce(c.topic, i.topic), partition = coalesce(c.partition, i.partition),
                  "offset" = coalesce(c."offset", i."offset"), import_run = coalesce(c.import_run, i.import_run),
                  key = coalesce(c.key, i.key), raw = coalesce(c.raw, i.raw),
                  headers = coalesce(c.headers, i.headers), traceparent = coalesce(c.traceparent, i.traceparent)
           FROM unnest(%(id)s::text[], %(status)s::text[], %(attempts)s::int[], %(error)s::text[], %(limit)s::int[],
                       %(retry)s::int[], %(replay)s::bigint[], %(replay_order)s::int[], %(waits_for)s::text[],
                       %(topic)s::text[], %(partition)s::int[], %(offset)s::bigint[], %(import_run)s::int[],
                       %(key)s::bytea[], %(raw)s::bytea[], %(headers)s::text[], %(traceparent)s::text[])
                WITH ORDINALITY
                AS c(id, status, attempts, error, attempt_limit, retry_in_ms, replay, replay_order, waits_for, topic,
                     partition, "offset", import_run, key, raw, headers, traceparent, place)
           WHERE i.id = c.id""",
        {
            "waiting": WAITING_STATUSES,
            "now": now,
            "raise": 0 if fresh else 1,
            "id": [c.id for c in changes],
            "status": [str(c.status) for c in changes],
            "attempts": [c.attempts for c in changes],
            "error": [c.error for c in changes],
            "limit": [c.attempt_limit for c in changes],
            "retry": [c.retry_in_ms for c in changes],
            "replay": [c.replay for c in changes],
            "replay_order": [c.replay_order for c in changes],
            "waits_for": [c.waits_for for c in changes],
            **_columns([c.message for c in changes]),
        },
    )


def disown_seqs(cursor: Cursor, ids: Sequence[str]) -> None:
    """Take their seqs from these (locked) events: another event may own them. Their payloads still name them."""
    if ids:
        cursor.execute("UPDATE processing_inboxevent SET seq = NULL WHERE id = ANY(%s)", (list(ids),))


def give_seqs(cursor: Cursor, seqs: Mapping[str, int]) -> None:
    """Give these (locked) events a seq, by id."""
    if seqs:
        cursor.execute(
            """UPDATE processing_inboxevent i SET seq = c.seq FROM unnest(%s::text[], %s::bigint[]) AS c(id, seq)
               WHERE i.id = c.id""",
            (list(seqs), list(seqs.values())),
        )


def move_final_time(cursor: Cursor, events: Sequence[Event], inserted_at: datetime, at: datetime) -> None:
    """Correct the final time of events that this transaction inserted as processed, if their outcome came later."""
    if at > inserted_at:
        ids = [event.id for event in events]
        cursor.execute("UPDATE processing_inboxevent SET final_at = %s WHERE id = ANY(%s)", (at, ids))


def _columns(messages: Sequence[Message | None]) -> dict[str, list[Any]]:
    """The columns that rows keep of these messages; nulls for None."""
    return {
        "topic": [None if m is None else m.topic for m in messages],
        "partition": [None if m is None else m.partition for m in messages],
        "offset": [None if m is None else m.offset for m in messages],
        "import_run": [None if m is None else m.import_run for m in messages],
        "key": [None if m is None else m.key for m in messages],
        "raw": [None if m is None else m.value for m in messages],
        "headers": [None if m is None else write_headers(m.headers) for m in messages],
        "traceparent": [None if m is None else m.traceparent for m in messages],
    }
