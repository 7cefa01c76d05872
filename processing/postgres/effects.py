"""The outbox of effects: rows that a transaction leaves with its events, claimed and ended by whoever does them.

A claim makes a row due later, by its lease; `claims` tells who came too late. Of an ordered one only the first that
waits, of its name and user, is claimed; its end makes the next one due. Should a crash part the two, BLOCKED_S does.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from processing.domain.effects import Effect
from processing.domain.envelope import Event
from processing.domain.validate import restore_event
from processing.postgres.old_rows import OldRows
from processing.postgres.transaction import Cursor, raw_cursor, transaction

BLOCKED_S = 30
ENDED_EFFECTS = OldRows(
    "processing_effect",
    "id",
    """SELECT id FROM processing_effect
       WHERE status <> 'waiting' AND status <> 'failed' AND ended_at < %(before)s ORDER BY ended_at""",
)

# The literals are those of the partial indexes.
_TASKS: LiteralString = "status = 'waiting' AND NOT name = 'emit'"
_FOLLOW_UPS: LiteralString = "status = 'waiting' AND name = 'emit'"


@dataclass(frozen=True)
class Claimed:
    """An effect that is ours for its lease. `event`: that a task follows; None if the inbox keeps it no longer.
    `value`: a follow-up's."""

    id: int
    claims: int
    name: str
    token: str
    event_id: str
    user_id: str
    attempts: int
    attempt_limit: int | None
    value: bytes | None
    event: Event | None


def add_effects(cursor: Cursor, effects: Sequence[Effect]) -> None:
    """In one statement, in this order; those whose token is there stay as they are."""
    if not effects:
        return
    cursor.execute(
        """INSERT INTO processing_effect (token, name, event_id, user_id, ordered, lease_s, value)
           SELECT token, name, event_id, user_id, ordered, lease_s, value
           FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bool[], %s::int[], %s::bytea[])
                WITH ORDINALITY AS e(token, name, event_id, user_id, ordered, lease_s, value, place)
           ORDER BY place ON CONFLICT (token) DO NOTHING""",
        (
            [each.token for each in effects],
            [each.name for each in effects],
            [each.event_id for each in effects],
            [each.user_id for each in effects],
            [each.ordered for each in effects],
            [each.lease_s for each in effects],
            [each.value for each in effects],
        ),
    )


def claim(limit: int, *, follow_ups: bool = False) -> list[Claimed] | None:
    """The effects that are due longest, `limit` at most; None if nothing is due. It may be that all of them have to
    wait for an earlier one, which is looked at under their locks: its end either sees them, or is seen.

    Of follow-ups those of one user may be claimed together.
    """
    with transaction() as cursor:
        cursor.execute(
            f"""SELECT id FROM processing_effect
                WHERE {_FOLLOW_UPS if follow_ups else _TASKS} AND due_at <= clock_timestamp()
                ORDER BY due_at, id LIMIT %s FOR UPDATE SKIP LOCKED""",
            (limit,),
        )
        ids = [id for (id,) in cursor]
        if not ids:
            return None
        blocked = _blocked(cursor, ids, beside=ids if follow_ups else ())
        mine = sorted(set(ids).difference(blocked))
        cursor.execute(
            """UPDATE processing_effect SET due_at = clock_timestamp() + %s * interval '1 second'
               WHERE id = ANY(%s)""",
            (BLOCKED_S, blocked),
        )
        cursor.execute(
            """UPDATE processing_effect SET due_at = clock_timestamp() + lease_s * interval '1 second',
                      claims = claims + 1
               WHERE id = ANY(%s)""",
            (mine,),
        )
        return _read(cursor, mine)


def _blocked(cursor: Cursor, ids: Sequence[int], beside: Sequence[int]) -> list[int]:
    """Those that wait for an earlier one that is not `beside` them."""
    cursor.execute(
        """SELECT e.id FROM processing_effect e, LATERAL (
             SELECT FROM processing_effect p
             WHERE p.name = e.name AND p.user_id = e.user_id AND p.ordered AND p.status = 'waiting' AND p.id < e.id
               AND p.id <> ALL(%s::bigint[]) ORDER BY p.id LIMIT 1) earlier
           WHERE e.id = ANY(%s) AND e.ordered""",
        (list(beside), list(ids)),
    )
    return [id for (id,) in cursor]


def _read(cursor: Cursor, ids: Sequence[int]) -> list[Claimed]:
    cursor.execute(
        """SELECT e.id, e.claims, e.name, e.token, e.event_id, e.user_id, e.attempts, e.attempt_limit, e.value,
                  i.user_id, i.type, i.family, i.seq, round(extract(epoch FROM i.occurred_at) * 1000)::bigint, i.payload
           FROM processing_effect e LEFT JOIN processing_inboxevent i ON i.id = e.event_id AND e.value IS NULL
           WHERE e.id = ANY(%s) ORDER BY e.id""",
        (list(ids),),
    )
    return [_claimed(row) for row in cursor]


def _claimed(row: tuple[Any, ...]) -> Claimed:
    id, claims, name, token, event_id, user_id, attempts, limit, value, *of_event, payload = row
    event = None
    if payload is not None:
        owner, event_type, family, seq, timestamp = of_event
        event = restore_event(event_id, owner, event_type, family, seq, timestamp, payload.encode())
    return Claimed(id, claims, name, token, event_id, user_id, attempts, limit, value, event)


def end_done(ids: Sequence[int]) -> None:
    """They are done, whoever has claimed them by now, even if another's last try failed. A follow-up's value goes."""
    with transaction() as cursor:
        cursor.execute(
            """UPDATE processing_effect SET status = 'done', attempts = attempts + 1, error = '', value = NULL,
                      ended_at = clock_timestamp()
               WHERE id IN (SELECT id FROM processing_effect WHERE id = ANY(%s) AND status IN ('waiting', 'failed')
                            ORDER BY id FOR UPDATE)""",
            (list(ids),),
        )
        _wake_next(cursor, ids)


def end_failed(claimed: Claimed, error: str) -> None:
    """It has used up its tries: a dead letter of its own. Not if somebody else has claimed it since."""
    with transaction() as cursor:
        cursor.execute(
            """UPDATE processing_effect SET status = 'failed', attempts = attempts + 1, error = %s,
                      ended_at = clock_timestamp()
               WHERE id = %s AND claims = %s AND status = 'waiting'""",
            (error, claimed.id, claimed.claims),
        )
        _wake_next(cursor, [claimed.id])


def put_off(claimed: Sequence[Claimed], delay_ms: int, *, error: str | None = None, tries: int = 0) -> None:
    """Have them done later; not those that somebody else has claimed since."""
    raw_cursor().execute(
        """UPDATE processing_effect e SET due_at = clock_timestamp() + %s * interval '1 millisecond',
                  attempts = e.attempts + %s, error = coalesce(%s, e.error)
           FROM unnest(%s::bigint[], %s::int[]) AS c(id, claims)
           WHERE e.id = c.id AND e.claims = c.claims AND e.status = 'waiting'""",
        (delay_ms, tries, error, [each.id for each in claimed], [each.claims for each in claimed]),
    )


def _wake_next(cursor: Cursor, ids: Sequence[int]) -> None:
    """Make those that waited for these due, whatever they are now: one that is being looked at meanwhile is locked.

    A task that somebody has claimed before may be running: it was, when one before it was replayed.
    """
    cursor.execute(
        """UPDATE processing_effect SET due_at = clock_timestamp() WHERE id IN (
             SELECT n.id FROM processing_effect e, LATERAL (
               SELECT p.id FROM processing_effect p
               WHERE p.name = e.name AND p.user_id = e.user_id AND p.ordered AND p.status = 'waiting' AND p.id > e.id
               ORDER BY p.id LIMIT 1) n
             WHERE e.id = ANY(%s) AND e.ordered)
           AND (claims = 0 OR name = 'emit')""",
        (list(ids),),
    )


def count_due_tasks(patience_s: float, limit: int) -> int:
    """How many have been due for longer, `limit` at most."""
    row = (
        raw_cursor()
        .execute(
            f"""SELECT count(*) FROM (
                  SELECT FROM processing_effect
                  WHERE {_TASKS} AND due_at < clock_timestamp() - %s * interval '1 second' LIMIT %s) d""",
            (patience_s, limit),
        )
        .fetchone()
    )
    assert row is not None
    return int(row[0])


def count_by_status() -> dict[str, int]:
    """Those that wait, and those that have failed."""
    cursor = raw_cursor().execute(
        """SELECT status, count(*) FROM processing_effect
           WHERE NOT status = 'done' AND (status = 'waiting' OR status = 'failed') GROUP BY status"""
    )
    return {"waiting": 0, "failed": 0, **dict(cursor.fetchall())}


def lock_failed(cursor: Cursor, ids: Sequence[int]) -> dict[int, tuple[str, str]]:
    """Those of these that have failed, locked: by id their name and event."""
    cursor.execute(
        """SELECT id, name, event_id FROM processing_effect WHERE id = ANY(%s) AND status = 'failed'
           ORDER BY id FOR UPDATE""",
        (list(ids),),
    )
    return {id: (name, event_id) for id, name, event_id in cursor}


def try_again(cursor: Cursor, ids: Collection[int], tries: int) -> None:
    """Give these (locked) failed ones a new set of tries, under their tokens."""
    cursor.execute(
        """UPDATE processing_effect SET status = 'waiting', due_at = clock_timestamp(), ended_at = NULL,
                  attempt_limit = attempts + %s
           WHERE id = ANY(%s)""",
        (tries, list(ids)),
    )


def discard(cursor: Cursor, ids: Collection[int]) -> None:
    """Put these (locked) failed ones away; they go with retention."""
    cursor.execute(
        "UPDATE processing_effect SET status = 'discarded', ended_at = clock_timestamp() WHERE id = ANY(%s)",
        (list(ids),),
    )
