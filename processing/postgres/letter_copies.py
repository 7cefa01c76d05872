"""Copies for the dead-letter topic: which letters have none there yet, and what a copy is made of."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from processing.postgres.transaction import raw_cursor, transaction


@dataclass(frozen=True)
class Letter:
    """A dead letter without a copy on the topic. `queued_at` tells it from a later one of the same event.

    `size`: the message's, in bytes.
    """

    id: str
    queued_at: datetime
    size: int


@dataclass(frozen=True)
class LetterContent:
    """A dead letter with its event. `file` names the source of an imported event, whose `offset` is the line.

    `timestamp`: the event's own, Unix ms; it and `payload` are None if the message could not be read.
    """

    id: str
    reason: str
    error: str | None
    attempts: int
    topic: str | None
    partition: int | None
    offset: int | None
    file: str | None
    key: bytes | None
    raw: bytes | None
    headers: str | None
    user_id: str
    type: str
    family: str
    payload: str | None
    timestamp: int | None


def unpublished(limit: int, after: Letter | None = None) -> list[Letter]:
    """The oldest letters without a copy, behind `after`."""
    cursor = raw_cursor().execute(
        """SELECT d.event_id, d.queued_at, coalesce(octet_length(i.raw), 0) FROM processing_deadletter d
           JOIN processing_inboxevent i ON i.id = d.event_id WHERE d.published_at IS NULL
             AND (%(time)s::timestamptz IS NULL OR (d.queued_at, d.event_id) > (%(time)s, %(id)s))
           ORDER BY d.queued_at, d.event_id LIMIT %(limit)s""",
        {"limit": limit, "time": after and after.queued_at, "id": after and after.id},
    )
    return [Letter(*row) for row in cursor]


def unpublished_of(ids: Collection[str]) -> list[Letter]:
    """Those of these events that are dead letters without a copy."""
    cursor = raw_cursor().execute(
        """SELECT d.event_id, d.queued_at, coalesce(octet_length(i.raw), 0) FROM processing_deadletter d
           JOIN processing_inboxevent i ON i.id = d.event_id WHERE d.published_at IS NULL AND d.event_id = ANY(%s)""",
        (list(ids),),
    )
    return [Letter(*row) for row in cursor]


def contents(ids: Collection[str]) -> list[LetterContent]:
    """What the copies of these dead letters are made of, the oldest letter first."""
    cursor = raw_cursor().execute(
        """SELECT i.id, d.reason, i.error, i.attempts, i.topic, i.partition, i."offset", f.source, i.key, i.raw,
                  i.headers, i.user_id, i.type, i.family, i.payload,
                  round(extract(epoch FROM i.occurred_at) * 1000)::bigint
           FROM processing_deadletter d JOIN processing_inboxevent i ON i.id = d.event_id
           LEFT JOIN processing_importrun f ON f.id = i.import_run
           WHERE d.event_id = ANY(%s) ORDER BY d.queued_at""",
        (list(ids),),
    )
    return [LetterContent(*row) for row in cursor]


def mark_published(letters: Sequence[Letter]) -> None:
    """Mark these letters as published, but none whose event was replayed and failed again since: that is a new one."""
    with transaction() as cursor:
        ids = sorted(letter.id for letter in letters)
        cursor.execute(
            "SELECT FROM processing_deadletter WHERE event_id = ANY(%s) ORDER BY event_id FOR UPDATE", (ids,)
        )
        cursor.execute(
            """UPDATE processing_deadletter d SET published_at = now()
               FROM unnest(%s::text[], %s::timestamptz[]) AS p(event_id, queued_at)
               WHERE d.event_id = p.event_id AND d.queued_at = p.queued_at""",
            ([letter.id for letter in letters], [letter.queued_at for letter in letters]),
        )
