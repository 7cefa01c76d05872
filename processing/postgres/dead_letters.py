"""Dead letters: events that failed for good, until an operator replays or discards them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from processing.domain.failures import Letter
from processing.domain.statuses import Status
from processing.models import DeadLetter
from processing.postgres.failure_groups import join_groups, leave_groups, rejoin_groups
from processing.postgres.transaction import Cursor, raw_cursor

# the seq of an event that was too far ahead of its lane, and owns none until it is replayed
NAMED_SEQ: LiteralString = "CASE WHEN d.reason = 'ahead' THEN (i.payload::jsonb ->> 'seq')::numeric::bigint END"


@dataclass(frozen=True)
class FarEvent:
    """A dead letter whose seq is too far ahead of its lane: the seq that its payload names."""

    id: str
    user_id: str
    seq: int


@dataclass(frozen=True)
class LockedDeadLetter:
    """A dead letter, locked with its event."""

    reason: str
    attempts: int
    readable: bool  # its payload is kept, so it can run again
    published: bool
    queued_at: datetime


def add_dead_letters(cursor: Cursor, letters: Sequence[Letter], reason: DeadLetter.Reason, now: datetime) -> None:
    """Make these failed events dead letters, of which they have none: a replay deletes it."""
    if not letters:
        return
    letters = sorted(letters, key=lambda letter: letter.id)
    groups = join_groups(cursor, letters, reason, now)
    cursor.execute(
        """INSERT INTO processing_deadletter (event_id, reason, queued_at, group_id, carried_id, user_id, type)
           SELECT l.id, %s, %s, l.group_id, l.carried_id, i.user_id, i.type
           FROM unnest(%s::text[], %s::bigint[], %s::text[]) AS l(id, group_id, carried_id)
                JOIN processing_inboxevent i ON i.id = l.id""",
        (reason, now, [letter.id for letter in letters], groups, [letter.carried_id for letter in letters]),
    )


def lock_dead_letters(cursor: Cursor, ids: Sequence[str]) -> dict[str, LockedDeadLetter]:
    """Those of these events that are dead letters and not discarded, with their letters locked, in byte order.

    Both rows are locked: an operator who waited here for another one sees what that one left.
    """
    cursor.execute(
        """SELECT i.id, d.reason, i.attempts, i.payload IS NOT NULL, d.published_at IS NOT NULL, d.queued_at
           FROM processing_inboxevent i JOIN processing_deadletter d ON d.event_id = i.id
           WHERE i.id = ANY(%s) AND (i.status = %s) IS TRUE AND d.discarded_at IS NULL
           ORDER BY i.id FOR UPDATE OF i, d""",
        (list(ids), Status.FAILED),
    )
    return {row[0]: LockedDeadLetter(*row[1:]) for row in cursor}


def discard_dead_letters(cursor: Cursor, ids: Sequence[str]) -> None:
    """Put these (locked) dead letters away; they stay as rows. Their events' version is the caller's to raise."""
    leave_groups(cursor, ids)
    cursor.execute("UPDATE processing_deadletter SET discarded_at = now() WHERE event_id = ANY(%s)", (list(ids),))


def lock_discarded(cursor: Cursor, ids: Sequence[str]) -> dict[str, bool]:
    """Those of these events that are discarded dead letters, locked as `lock_dead_letters` does, and whether what they
    are made of is kept."""
    cursor.execute(
        """SELECT i.id, CASE WHEN d.reason = %s THEN i.raw IS NOT NULL ELSE i.payload IS NOT NULL END
           FROM processing_inboxevent i JOIN processing_deadletter d ON d.event_id = i.id
           WHERE i.id = ANY(%s) AND (i.status = %s) IS TRUE AND d.discarded_at IS NOT NULL
           ORDER BY i.id FOR UPDATE OF i, d""",
        (DeadLetter.Reason.POISON, list(ids), Status.FAILED),
    )
    return dict(cursor.fetchall())


def reopen_dead_letters(cursor: Cursor, ids: Sequence[str]) -> None:
    """Open these (locked) discarded dead letters again. Their events' version is the caller's to raise."""
    cursor.execute("UPDATE processing_deadletter SET discarded_at = NULL WHERE event_id = ANY(%s)", (list(ids),))
    rejoin_groups(cursor, ids)


def delete_dead_letters(cursor: Cursor, ids: Collection[str]) -> None:
    """Delete the dead letters of these (locked) events."""
    leave_groups(cursor, ids)
    cursor.execute("DELETE FROM processing_deadletter WHERE event_id = ANY(%s)", (list(ids),))


def far_events(cursor: Cursor, ids: Sequence[str]) -> list[FarEvent]:
    """Those of these events that are open dead letters since they are too far ahead, ascending by seq."""
    cursor.execute(
        f"""SELECT i.id, i.user_id, {NAMED_SEQ} AS named
            FROM processing_inboxevent i JOIN processing_deadletter d ON d.event_id = i.id
            WHERE i.id = ANY(%s) AND d.reason = %s AND d.discarded_at IS NULL AND i.payload IS NOT NULL
            ORDER BY named, i.id""",
        (list(ids), DeadLetter.Reason.AHEAD),
    )
    return [FarEvent(*row) for row in cursor]


def find_open(ids: Sequence[str], event_type: str | None, since: datetime | None) -> list[str]:
    """Those of these that are open dead letters and match the filters, oldest first. `since`: of when they failed."""
    cursor = raw_cursor().execute(
        """SELECT event_id FROM processing_deadletter
           WHERE discarded_at IS NULL AND event_id = ANY(%(ids)s)
             AND (%(type)s::text IS NULL OR type = %(type)s)
             AND (%(since)s::timestamptz IS NULL OR queued_at >= %(since)s)
           ORDER BY queued_at, event_id""",
        {"ids": list(ids), "type": event_type, "since": since},
    )
    return [id for (id,) in cursor]


def find_carriers(ids: Sequence[str]) -> dict[str, str]:
    """The open dead letters of unreadable messages that carry one of these ids, and which one."""
    cursor = raw_cursor().execute(
        """SELECT event_id, carried_id FROM processing_deadletter
           WHERE carried_id = ANY(%s) AND carried_id <> '' AND discarded_at IS NULL""",
        (list(ids),),
    )
    return dict(cursor.fetchall())


def open_ids() -> list[str]:
    """All open dead letters, the oldest first; each once, since one statement reads them."""
    cursor = raw_cursor().execute(
        "SELECT event_id FROM processing_deadletter WHERE discarded_at IS NULL ORDER BY queued_at, event_id"
    )
    return [id for (id,) in cursor]


def open_after(after: tuple[datetime, str], limit: int) -> list[tuple[datetime, str]]:
    """The next open dead letters by age, as (time, event id)."""
    cursor = raw_cursor().execute(
        """SELECT queued_at, event_id FROM processing_deadletter
           WHERE discarded_at IS NULL AND queued_at >= %s AND (queued_at, event_id) > (%s, %s)
           ORDER BY queued_at, event_id LIMIT %s""",
        (after[0], *after, limit),
    )
    return [(queued_at, id) for queued_at, id in cursor]
