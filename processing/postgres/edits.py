"""What operators change in dead letters before they are replayed. What was there before is kept."""

from __future__ import annotations

from dataclasses import dataclass

from processing.domain.messages import Message, read_headers
from processing.domain.statuses import Status
from processing.models import DeadLetter
from processing.postgres.old_rows import OldRows
from processing.postgres.transaction import Cursor, raw_cursor

EDITS = OldRows(  # but of events that are not final, or open dead letters
    "processing_edit",
    "id",
    """SELECT e.id FROM processing_edit e LEFT JOIN processing_inboxevent i ON i.id = e.event_id
         LEFT JOIN processing_deadletter d ON d.event_id = e.event_id AND d.discarded_at IS NULL
       WHERE e.at < %(before)s AND d.event_id IS NULL AND (i.status IS NULL OR i.status NOT IN ('held', 'retrying'))""",
)


@dataclass(frozen=True)
class Letter:
    """An open dead letter as it can be edited: of a poison its message, whose value is None if it has more than the
    bytes asked for, of any other its payload. `version` is its event's, `timestamp` in Unix ms."""

    id: str
    reason: str
    version: int
    user_id: str
    type: str
    family: str
    seq: int | None
    payload: str | None
    timestamp: int
    message: Message

    @property
    def poison(self) -> bool:
        return self.reason == DeadLetter.Reason.POISON


def find_letter(id: str, max_bytes: int) -> Letter | None:
    cursor = raw_cursor().execute(
        """SELECT i.id, d.reason, i.version, i.user_id, i.type, i.family, i.seq, i.payload,
                  coalesce(round(extract(epoch FROM i.occurred_at) * 1000)::bigint, 0),
                  i.topic, i.partition, coalesce(i."offset", 0), i.key,
                  CASE WHEN octet_length(i.raw) <= %s THEN i.raw END, i.import_run, i.headers,
                  floor(extract(epoch FROM i.received_at) * 1000)::bigint
           FROM processing_inboxevent i JOIN processing_deadletter d ON d.event_id = i.id
           WHERE i.id = %s AND (i.status = %s) IS TRUE AND d.discarded_at IS NULL""",
        (max_bytes, id, Status.FAILED),
    )
    row = cursor.fetchone()
    if row is None:
        return None
    topic, partition, offset, key, value, run, headers, received_at = row[9:]
    message = Message(topic, partition, offset, key, value, run, read_headers(headers), received_at)
    return Letter(*[*row[:9], message])


def version_of(cursor: Cursor, id: str) -> int | None:
    """Of a (locked) event."""
    cursor.execute("SELECT version FROM processing_inboxevent WHERE id = %s", (id,))
    row = cursor.fetchone()
    return None if row is None else int(row[0])


def store_edit(cursor: Cursor, letter: Letter, after: bytes, actor: str, reason: str) -> None:
    """Give a (locked) dead letter another payload, or another message, and keep what it had before. Its event's version
    is the caller's to raise."""
    column = "raw" if letter.poison else "payload"
    before: str = "raw" if letter.poison else "convert_to(payload, 'UTF8')"
    cursor.execute(
        f"""INSERT INTO processing_edit (event_id, actor, reason, before, after)
            SELECT id, %s, %s, coalesce({before}, ''), %s FROM processing_inboxevent WHERE id = %s""",
        (actor, reason, after, letter.id),
    )
    cursor.execute(
        f"UPDATE processing_inboxevent SET {column} = %s WHERE id = %s",
        (after if letter.poison else after.decode(), letter.id),
    )
