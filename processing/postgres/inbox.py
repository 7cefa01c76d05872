"""The SQL of the hot path: inbox, lanes, dead letters and outbox, a handful of statements a batch.

Every transaction takes its locks in one order: new inbox ids, lanes, rows already in the inbox, then what handlers
lock; each in byte order. All functions take a cursor of an open transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from processing.domain.envelope import Event
from processing.domain.messages import Message, Poison
from processing.domain.statuses import WAITING, Status
from processing.postgres.transaction import Cursor

WAITING_STATUSES = sorted(WAITING)


@dataclass(frozen=True)
class StatusChange:
    """A new status for an inbox row; `message` is kept with a row that is not final on arrival."""

    id: str
    status: Status
    attempts: int
    error: str | None = None
    attempt_limit: int | None = None
    retry_in_ms: int | None = None
    message: Message | None = None


def insert_arrivals(cursor: Cursor, events: Iterable[Event], now: datetime) -> set[str]:
    """Record the events, their ids unique, as processed at `now`; who is not is changed later in the transaction.

    They are received when it began: `now` is later than that. Returns the ids that the inbox had before: those change
    nothing.
    """
    cursor.execute(
        """CREATE TEMPORARY TABLE IF NOT EXISTS arrivals (id text, user_id text, type text, family text, seq bigint,
           payload text, timestamp_ms bigint) ON COMMIT DELETE ROWS"""
    )
    # before any lock is taken: no timeout of Postgres ends a COPY whose sender is frozen
    with cursor.copy("COPY arrivals FROM STDIN") as copy:
        for e in events:
            copy.write_row((e.id, e.user_id, e.type, e.family, e.seq, e.payload_json.decode(), e.timestamp))
    cursor.execute(
        """WITH fresh AS (
             INSERT INTO processing_inboxevent (id, user_id, type, family, seq, status, attempts, payload, occurred_at, received_at,
                                final_at)
             SELECT id, user_id, type, family, seq, %s, 1, payload, to_timestamp(timestamp_ms / 1000.0), now(), %s
             FROM arrivals ORDER BY id COLLATE "C"
             ON CONFLICT (id) DO NOTHING RETURNING id)
           SELECT id FROM arrivals WHERE id NOT IN (SELECT id FROM fresh)""",
        (Status.PROCESSED, now),
    )
    return {id for (id,) in cursor}


def insert_poison(cursor: Cursor, poisons: Sequence[Poison], now: datetime) -> set[str]:
    """Record unreadable messages as failed, without a handler run. Returns the ids that the inbox had before."""
    if not poisons:
        return set()
    messages = [_columns(p.message) for p in poisons]
    cursor.execute(
        """INSERT INTO processing_inboxevent (id, user_id, type, family, status, attempts, error, received_at, final_at,
                              topic, partition, "offset", key, raw)
           SELECT id, user_id, type, family, %(failed)s, 0, error, now(), %(now)s, topic, partition, "offset", key, raw
           FROM unnest(%(id)s::text[], %(user)s::text[], %(type)s::text[], %(family)s::text[], %(error)s::text[],
                       %(topic)s::text[], %(partition)s::int[], %(offset)s::bigint[], %(key)s::bytea[],
                       %(raw)s::bytea[])
                AS p(id, user_id, type, family, error, topic, partition, "offset", key, raw)
           ORDER BY id COLLATE "C" ON CONFLICT (id) DO NOTHING RETURNING id""",
        {
            "failed": Status.FAILED,
            "now": now,
            "id": [p.id for p in poisons],
            "user": [p.user_id for p in poisons],
            "type": [p.type for p in poisons],
            "family": [p.family for p in poisons],
            "error": [p.error for p in poisons],
            "topic": [m[0] for m in messages],
            "partition": [m[1] for m in messages],
            "offset": [m[2] for m in messages],
            "key": [m[3] for m in messages],
            "raw": [m[4] for m in messages],
        },
    )
    fresh = {id for (id,) in cursor}
    return {p.id for p in poisons} - fresh


def owned_seqs(cursor: Cursor, new: Sequence[Event]) -> dict[str, set[int]]:
    """Of the seqs of these new events, those that another event of the inbox already waits with, by user."""
    if not new:
        return {}
    cursor.execute(
        """SELECT i.user_id, i.seq FROM unnest(%s::text[], %s::bigint[]) AS n(user_id, seq)
           JOIN processing_inboxevent i ON i.user_id = n.user_id AND i.seq = n.seq WHERE i.status = ANY(%s)""",
        ([e.user_id for e in new], [e.seq for e in new], WAITING_STATUSES),
    )
    owned: dict[str, set[int]] = {}
    for user_id, seq in cursor:
        owned.setdefault(user_id, set()).add(seq)
    return owned


def change_statuses(cursor: Cursor, changes: Sequence[StatusChange], now: datetime, *, fresh: bool) -> None:
    """Give inbox rows their new status. `fresh`: they were inserted in this transaction, so no version is raised."""
    if not changes:
        return
    messages = [_columns(c.message) for c in changes]
    cursor.execute(
        """UPDATE processing_inboxevent i SET status = c.status, attempts = c.attempts, error = c.error,
                  attempt_limit = c.attempt_limit,
                  final_at = CASE WHEN c.status = ANY(%(waiting)s) THEN NULL ELSE %(now)s END,
                  next_attempt_at = now() + c.retry_in_ms * interval '1 millisecond',
                  version = i.version + %(raise)s,
                  topic = coalesce(c.topic, i.topic), partition = coalesce(c.partition, i.partition),
                  "offset" = coalesce(c."offset", i."offset"), key = coalesce(c.key, i.key),
                  raw = coalesce(c.raw, i.raw)
           FROM unnest(%(id)s::text[], %(status)s::text[], %(attempts)s::int[], %(error)s::text[], %(limit)s::int[],
                       %(retry)s::int[], %(topic)s::text[], %(partition)s::int[], %(offset)s::bigint[],
                       %(key)s::bytea[], %(raw)s::bytea[])
                AS c(id, status, attempts, error, attempt_limit, retry_in_ms, topic, partition, "offset", key, raw)
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
            "topic": [m[0] for m in messages],
            "partition": [m[1] for m in messages],
            "offset": [m[2] for m in messages],
            "key": [m[3] for m in messages],
            "raw": [m[4] for m in messages],
        },
    )


def move_final_time(cursor: Cursor, ids: Sequence[str], at: datetime) -> None:
    """Events inserted in this transaction as processed were so at `at`, later than was thought."""
    cursor.execute("UPDATE processing_inboxevent SET final_at = %s WHERE id = ANY(%s)", (at, list(ids)))


def _columns(message: Message | None) -> tuple[str | None, int | None, int | None, bytes | None, bytes | None]:
    if message is None:
        return (None, None, None, None, None)
    return (message.topic, message.partition, message.offset, message.key, message.value)
