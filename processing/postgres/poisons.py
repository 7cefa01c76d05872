"""Poisons, messages that could not be read, and the rows of the events that they turn out to carry."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from processing.domain.envelope import Event
from processing.domain.messages import Message, read_headers
from processing.domain.statuses import Status
from processing.postgres.transaction import Cursor, raw_cursor


def poison_messages(ids: Sequence[str], max_bytes: int) -> list[tuple[str, int | None, Message]]:
    """(id, size in bytes, message) of these poisons, in the order given. A message of more than `max_bytes` is not
    loaded: its value is None; a tombstone's value and size are both None."""
    cursor = raw_cursor().execute(
        """SELECT id, octet_length(raw), topic, partition, "offset", key,
                  CASE WHEN octet_length(raw) <= %s THEN raw END, import_run, headers,
                  floor(extract(epoch FROM received_at) * 1000)::bigint FROM processing_inboxevent
           WHERE id = ANY(%s) ORDER BY array_position(%s::text[], id)""",
        (max_bytes, list(ids), list(ids)),
    )
    return [
        (id, size, Message(topic, partition, offset, key, value, run, read_headers(headers), received_at))
        for id, size, topic, partition, offset, key, value, run, headers, received_at in cursor
    ]


def insert_ids(cursor: Cursor, events: Iterable[Event]) -> set[str]:
    """Take the ids of these events, in byte order: rows without content yet. Returns those that were free."""
    ids = sorted({event.id for event in events})
    if not ids:
        return set()
    cursor.execute(
        """INSERT INTO processing_inboxevent (id, user_id, type, family, status, attempts)
           SELECT id, '', '', '', %s, 0 FROM unnest(%s::text[]) id ORDER BY id COLLATE "C"
           ON CONFLICT (id) DO NOTHING RETURNING id""",
        (Status.RETRYING, ids),
    )
    return {id for (id,) in cursor}


def fill_ids(cursor: Cursor, events: Sequence[Event], poisons: Sequence[str], *, keep: Collection[str]) -> None:
    """Give rows of `insert_ids` the content of these events, and where their poisons stood, one for each.

    Rows in `keep` get their poison's bytes too; an event that is final at once does not need them.
    """
    cursor.execute(
        """UPDATE processing_inboxevent i SET user_id = c.user_id, type = c.type, family = c.family, seq = c.seq,
                  payload = c.payload, occurred_at = to_timestamp(c.ms / 1000.0), topic = p.topic,
                  partition = p.partition, "offset" = p."offset", import_run = p.import_run,
                  key = CASE WHEN c.keep THEN p.key END, raw = CASE WHEN c.keep THEN p.raw END,
                  headers = CASE WHEN c.keep THEN p.headers END
           FROM unnest(%(poison)s::text[], %(id)s::text[], %(user)s::text[], %(type)s::text[], %(family)s::text[],
                       %(seq)s::bigint[], %(payload)s::text[], %(ms)s::bigint[], %(keep)s::bool[])
                  AS c(poison, id, user_id, type, family, seq, payload, ms, keep)
                JOIN processing_inboxevent p ON p.id = c.poison
           WHERE i.id = c.id""",
        {
            "poison": list(poisons),
            "id": [event.id for event in events],
            "user": [event.user_id for event in events],
            "type": [event.type for event in events],
            "family": [event.family for event in events],
            "seq": [event.seq for event in events],
            "payload": [event.payload_json.decode() for event in events],
            "ms": [event.timestamp for event in events],
            "keep": [event.id in keep for event in events],
        },
    )


def taken_seqs(cursor: Cursor, wanted: Collection[tuple[str, int]]) -> set[tuple[str, int]]:
    """The (user, seq) among these that a row of the inbox owns, whatever its status."""
    if not wanted:
        return set()
    cursor.execute(
        """SELECT i.user_id, i.seq FROM unnest(%s::text[], %s::bigint[]) AS n(user_id, seq)
           JOIN processing_inboxevent i ON i.user_id = n.user_id AND i.seq = n.seq WHERE i.status <> %s""",
        ([user for user, _ in wanted], [seq for _, seq in wanted], Status.SKIPPED),
    )
    return {(user, seq) for user, seq in cursor}


def delete_events(cursor: Cursor, ids: Collection[str]) -> None:
    """Delete rows that stand for no event: poisons that became one, and unused ids of `insert_ids`."""
    cursor.execute("DELETE FROM processing_inboxevent WHERE id = ANY(%s)", (list(ids),))
