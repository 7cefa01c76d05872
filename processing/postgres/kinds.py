"""The kinds that are not open, and the events that wait for one.

Transactions that store or run events hold a share of the table until they end (`read_set_aside`); a kind is opened
under an exclusive lock of it, once nothing waits for it. So no event is stored behind the last one that was drained.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

import psycopg

from processing.domain.kinds import KindState, SetAside, parts_of
from processing.domain.statuses import Status
from processing.postgres.transaction import OUTCOME_TIME, Cursor, fetch_time, raw_cursor, transaction

OPEN_LOCK_TIMEOUT_MS = 500  # batches wait so long at most while a kind is opened
OPEN_PAUSE_MS = 5_000  # after that was in vain, of all processes: a long transaction stops no others with it
DRAINER_LOCK = 0x6B696E64  # the class of the advisory locks that single drainers hold
LOOKED_AT = 100  # waiting events among which a probe chooses
READ_SET_ASIDE: LiteralString = "SELECT name, state FROM processing_kind FOR KEY SHARE"


@dataclass(frozen=True)
class KindRow:
    """A kind that is not open. `due`: it is time for a probe, or to open it once it is drained."""

    name: str
    state: KindState
    since: datetime
    reason: str
    actor: str
    error_class: str
    error_place: str
    probes: int
    due: bool


@dataclass(frozen=True)
class Waiting:
    """How many events wait for a kind, and since when the first of them."""

    events: int
    since: datetime | None


def read_set_aside(cursor: Cursor) -> SetAside:
    """The kinds that are not open, none of which is opened before this transaction ends. Its first statement."""
    cursor.execute(READ_SET_ASIDE)
    return _fetch_set_aside(cursor)


def read_set_aside_and_time(cursor: Cursor) -> tuple[SetAside, datetime]:
    """As `read_set_aside`, and then the `outcome_time`: by one message to the server and one back."""
    cursor.execute(f"{READ_SET_ASIDE}; {OUTCOME_TIME}")
    set_aside = _fetch_set_aside(cursor)
    cursor.nextset()
    return set_aside, fetch_time(cursor)


def _fetch_set_aside(cursor: Cursor) -> SetAside:
    return SetAside({name: KindState(state) for name, state in cursor})


def find_kinds() -> list[KindRow]:
    """Those that are not open, by name."""
    cursor = raw_cursor().execute(
        """SELECT name, state, since, reason, actor, error_class, error_place, probes,
                  coalesce(next_probe_at <= clock_timestamp(), true)
           FROM processing_kind ORDER BY name"""
    )
    return [KindRow(name, KindState(state), *rest) for name, state, *rest in cursor]


def stop(kind: str, reason: str, error_class: str, error_place: str, first_probe_in_ms: int) -> bool:
    """Stop a kind; False if it is stopped or paused already."""
    cursor = raw_cursor().execute(
        """INSERT INTO processing_kind AS k (name, state, reason, actor, error_class, error_place, next_probe_at)
           VALUES (%s, 'stopped', %s, '', %s, %s, now() + %s * interval '1 millisecond')
           ON CONFLICT (name) DO UPDATE SET state = excluded.state, since = now(), reason = excluded.reason,
                  actor = excluded.actor, error_class = excluded.error_class, error_place = excluded.error_place,
                  probes = 0, next_probe_at = excluded.next_probe_at
           WHERE k.state = 'draining'""",
        (kind, reason, error_class, error_place, first_probe_in_ms),
    )
    return cursor.rowcount == 1


def count_stopped_types(family: str) -> int:
    """How many types of a family are stopped, apart from it."""
    row = (
        raw_cursor()
        .execute(
            "SELECT count(*) FROM processing_kind WHERE state = 'stopped' AND starts_with(name, %s)", (f"{family}/",)
        )
        .fetchone()
    )
    assert row is not None
    return int(row[0])


def pause(cursor: Cursor, kind: str, reason: str, actor: str) -> bool:
    """Pause a kind; False if it is paused already. The last error of a stopped one is kept."""
    cursor.execute(
        """INSERT INTO processing_kind AS k (name, state, reason, actor) VALUES (%s, 'paused', %s, %s)
           ON CONFLICT (name) DO UPDATE SET state = excluded.state, since = now(), reason = excluded.reason,
                  actor = excluded.actor, next_probe_at = NULL
           WHERE k.state <> 'paused'""",
        (kind, reason, actor),
    )
    return cursor.rowcount == 1


def start_draining(kind: str, *, was: Collection[KindState]) -> bool:
    """Let what waits for a kind run, in order; False if it is in none of these states."""
    cursor = raw_cursor().execute(
        """UPDATE processing_kind SET state = 'draining', since = now(), next_probe_at = NULL
           WHERE name = %s AND state = ANY(%s)""",
        (kind, sorted(was)),
    )
    return cursor.rowcount == 1


def open_drained(kind: str) -> bool:
    """Open a kind that drains, if nothing waits for it; False if something does, or a transaction does not end in time.

    One process tries it at a time.
    """
    try:
        with transaction() as cursor:
            if not is_sole_drainer(cursor, kind):
                return False
            cursor.execute(f"SET LOCAL lock_timeout = {OPEN_LOCK_TIMEOUT_MS}")
            cursor.execute("LOCK TABLE processing_kind IN EXCLUSIVE MODE")
            cursor.execute(
                """DELETE FROM processing_kind WHERE name = %s AND state = 'draining' AND NOT EXISTS (
                     SELECT FROM processing_inboxevent WHERE waits_for = name)""",
                (kind,),
            )
            return cursor.rowcount == 1
    except psycopg.errors.LockNotAvailable:
        raw_cursor().execute(
            """UPDATE processing_kind SET next_probe_at = clock_timestamp() + %s * interval '1 millisecond'
               WHERE name = %s AND state = 'draining'""",
            (OPEN_PAUSE_MS, kind),
        )
        return False


def claim_probe(kind: str, probes: int, next_in_ms: int) -> bool:
    """Claim the probe after this many, if it is due and no other process has claimed it."""
    cursor = raw_cursor().execute(
        """UPDATE processing_kind SET probes = probes + 1,
                  next_probe_at = clock_timestamp() + %s * interval '1 millisecond'
           WHERE name = %s AND state = 'stopped' AND probes = %s AND next_probe_at <= clock_timestamp()""",
        (next_in_ms, kind, probes),
    )
    return cursor.rowcount == 1


def find_candidate(kind: str, *, injected_failures: bool) -> str | None:
    """The waiting event of a kind that has had the fewest attempts, among the first of them; None without any.

    One that a lane holds must be the next of it. With `injected_failures`, events whose sender asked for the failure
    are left out: they say nothing of the handlers.
    """
    family, event_type, _ = parts_of(kind)
    cursor = raw_cursor().execute(
        """SELECT i.id FROM (
             (SELECT id, user_id, seq, attempts, payload, arrival FROM processing_inboxevent
              WHERE waits_for = %(kind)s ORDER BY arrival LIMIT %(rows)s)
             UNION ALL
             (SELECT id, user_id, seq, attempts, payload, NULL FROM processing_inboxevent
              WHERE status = %(retrying)s AND waits_for IS NULL AND family = %(family)s
                AND (%(type)s::text IS NULL OR type = %(type)s) ORDER BY next_attempt_at LIMIT %(rows)s)) i
           LEFT JOIN processing_lane l ON l.user_id = i.user_id AND i.seq IS NOT NULL
           WHERE coalesce(i.seq <= l.next_seq, true)
             AND NOT (%(injected)s AND CASE WHEN (i.payload::json -> 'fail')::text ~ '^[0-9]{1,9}$'
                      THEN (i.payload::json ->> 'fail')::bigint > i.attempts
                      ELSE (i.payload::json -> 'fail')::text IS NOT DISTINCT FROM 'true' END)
           ORDER BY i.attempts, i.arrival, i.id LIMIT 1""",
        {
            "kind": kind,
            "retrying": Status.RETRYING,
            "family": family,
            "type": event_type,
            "rows": LOOKED_AT,
            "injected": injected_failures,
        },
    )
    row = cursor.fetchone()
    return row[0] if row else None


def held_by_lanes(cursor: Cursor, kind: str, limit: int) -> dict[str, str]:
    """Of the first events that wait for a kind, those that lanes hold behind other events: the user by id."""
    cursor.execute(
        """SELECT i.id, i.user_id FROM (
             SELECT id, user_id, seq FROM processing_inboxevent WHERE waits_for = %s ORDER BY arrival LIMIT %s) i
           JOIN processing_lane l ON l.user_id = i.user_id WHERE i.seq > l.next_seq""",
        (kind, limit),
    )
    return dict(cursor.fetchall())


def is_sole_drainer(cursor: Cursor, kind: str) -> bool:
    """Whether no other process drains the kind; then none does until this transaction ends."""
    cursor.execute("SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", (DRAINER_LOCK, kind))
    row = cursor.fetchone()
    return bool(row and row[0])


def first_waiting(cursor: Cursor, kind: str, limit: int, chars: int) -> list[str]:
    """The ids of the events that have waited longest for a kind, in the order in which they came.

    `limit` events at most, and `chars` of payload, but one at least.
    """
    cursor.execute(
        """SELECT id FROM (
             SELECT id, arrival, row_number() OVER w AS position, sum(length(payload)) OVER w AS chars FROM (
               SELECT id, arrival, payload FROM processing_inboxevent
               WHERE waits_for = %s ORDER BY arrival LIMIT %s) n WINDOW w AS (ORDER BY arrival)) r
           WHERE position = 1 OR chars <= %s ORDER BY arrival""",
        (kind, limit, chars),
    )
    return [id for (id,) in cursor]


def let_go(cursor: Cursor, kind: str, ids: Sequence[str]) -> None:
    """These events wait for the kind no longer, but in their lane or for their retry, which is due at once.

    Those that wait for nothing else, since somebody had locked their rows, wait on.
    """
    cursor.execute(
        """UPDATE processing_inboxevent SET waits_for = NULL, arrival = NULL,
                  next_attempt_at = CASE status WHEN 'retrying' THEN now() END
           WHERE id IN (SELECT id FROM processing_inboxevent WHERE id = ANY(%s) AND waits_for = %s
                          AND (seq IS NOT NULL OR status = 'retrying') ORDER BY id FOR UPDATE)""",
        (list(ids), kind),
    )


def count_waiting(kinds: Collection[str], at_most: int | None = None) -> dict[str, Waiting]:
    """How much waits for each of these kinds, counted up to `at_most`. Reads their part of the index."""
    cursor = raw_cursor().execute(
        """SELECT k.name,
                  (SELECT count(*) FROM (SELECT FROM processing_inboxevent WHERE waits_for = k.name LIMIT %s) w),
                  (SELECT received_at FROM processing_inboxevent WHERE waits_for = k.name ORDER BY arrival LIMIT 1)
           FROM unnest(%s::text[]) AS k(name)""",
        (at_most, sorted(kinds)),
    )
    return {name: Waiting(int(events), since) for name, events, since in cursor}


def family_and_type(id: str) -> tuple[str, str] | None:
    """Of an event of the inbox."""
    row = raw_cursor().execute("SELECT family, type FROM processing_inboxevent WHERE id = %s", (id,)).fetchone()
    return None if row is None else (row[0], row[1])
