"""Losses: messages that left the log before they were read, and accepted events that were among them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from processing.domain.log_positions import Lost, Place, Why
from processing.domain.positions import Partition
from processing.postgres.transaction import Cursor, raw_cursor

CLOCKS_S = 60  # a web server's clock may be ahead of Postgres' by so much


@dataclass(frozen=True)
class OpenLosses:
    """Losses of a topic that nobody has acknowledged. `messages` counts those whose number is known."""

    topic: str
    why: str
    losses: int
    messages: int
    since: datetime


def add_losses(cursor: Cursor, losses: Iterable[tuple[Partition, Lost]], *, age_s: float = 0) -> None:
    """Record them; the transaction also moves the positions past them, so each is recorded once.

    `age_s`: so long before the transaction began the logs were looked at. What was accepted since may stand in them.
    """
    rows = list(losses)
    if not rows:
        return
    cursor.execute(
        """INSERT INTO processing_loss (topic, partition, topic_id, first_offset, last_offset, why, found_at)
           SELECT *, now() - %s * interval '1 s'
           FROM unnest(%s::text[], %s::int[], %s::text[], %s::bigint[], %s::bigint[], %s::text[])""",
        (
            age_s,
            [topic for (topic, _), _ in rows],
            [number for (_, number), _ in rows],
            [lost.topic_id for _, lost in rows],
            [lost.first for _, lost in rows],
            [lost.last for _, lost in rows],
            [lost.why.value for _, lost in rows],
        ),
    )


def lost_events(events: Sequence[tuple[str, Place]]) -> dict[str, str]:
    """The accepted events that no consumer will find: their place was passed, or its log is no more, and the inbox has
    no row. By their ids, the topic id of the log that has been read so far; if the topic is yet another one by now,
    which the consumers have not noticed, nothing can be said.

    Position and rows of a batch commit together, so one statement sees both or none. Where a log was cut, an offset
    may have been given twice: what was accepted before the cut was found counts as lost. That errs on the safe side,
    for an event that is sent again and comes twice counts once. Where a topic was made anew, the door may have named
    the old one for a while: an event that may stand in the new log is lost only when that is read past its offset.
    """
    cursor = raw_cursor().execute(
        """SELECT e.id, coalesce(p.topic_id, '')
           FROM unnest(%(id)s::text[], %(topic)s::text[], %(topic_id)s::text[], %(partition)s::int[],
                       %(offset)s::bigint[], %(at)s::bigint[]) AS e(id, topic, topic_id, partition, "offset", at)
           LEFT JOIN processing_partitionposition p ON p.topic = e.topic AND p.partition = e.partition
           WHERE NOT EXISTS (SELECT FROM processing_inboxevent i WHERE i.id = e.id)
             AND (p.next_offset > e."offset" AND (p.topic_id = e.topic_id OR '' IN (p.topic_id, e.topic_id))
                  OR EXISTS (SELECT FROM processing_loss l
                             WHERE l.topic = e.topic AND l.partition = e.partition
                               AND (l.topic_id = e.topic_id OR '' IN (l.topic_id, e.topic_id))
                               AND (l.why = %(anew)s AND l.topic_id = e.topic_id
                                    AND (p.next_offset > e."offset"
                                         OR p.end_offset <= e."offset" AND to_timestamp(e.at / 1000.0) < l.found_at)
                                    OR (l.why = %(truncated)s OR e.topic_id = '') AND l.why <> %(deleted)s
                                       AND l.first_offset <= e."offset"
                                       AND to_timestamp(e.at / 1000.0) < l.found_at + %(clocks)s * interval '1 s')))""",
        {
            "id": [id for id, _ in events],
            "topic": [place.topic for _, place in events],
            "topic_id": [place.topic_id for _, place in events],
            "partition": [place.partition for _, place in events],
            "offset": [place.offset for _, place in events],
            "at": [place.at for _, place in events],
            "anew": Why.MADE_ANEW.value,
            "deleted": Why.DELETED.value,
            "truncated": Why.TRUNCATED.value,
            "clocks": CLOCKS_S,
        },
    )
    return dict(cursor.fetchall())


def unknown_events(ids: Collection[str]) -> set[str]:
    """Those that the inbox does not have."""
    cursor = raw_cursor().execute(
        """SELECT e.id FROM unnest(%s::text[]) AS e(id)
           WHERE NOT EXISTS (SELECT FROM processing_inboxevent i WHERE i.id = e.id)""",
        (list(ids),),
    )
    return {id for (id,) in cursor}


def open_losses() -> list[OpenLosses]:
    """By topic and reason, those that no operator has acknowledged."""
    cursor = raw_cursor().execute(
        """SELECT topic, why, count(*), coalesce(sum(last_offset - first_offset + 1), 0)::bigint, min(found_at)
           FROM processing_loss WHERE acknowledged_at IS NULL GROUP BY topic, why ORDER BY topic, why"""
    )
    return [OpenLosses(*row) for row in cursor]


def open_loss_texts() -> dict[int, str]:
    """Each that nobody has acknowledged, in words."""
    cursor = raw_cursor().execute(
        """SELECT id, topic, partition, first_offset, last_offset, why FROM processing_loss
           WHERE acknowledged_at IS NULL ORDER BY id"""
    )
    return {id: describe(*rest) for id, *rest in cursor}


def acknowledge(cursor: Cursor, ids: Collection[int], actor: str) -> dict[int, str]:
    """Mark those that are open; what each was, by id."""
    cursor.execute(
        """UPDATE processing_loss l SET acknowledged_at = now(), acknowledged_by = %s
           FROM (SELECT id FROM processing_loss WHERE id = ANY(%s) AND acknowledged_at IS NULL
                 ORDER BY id FOR UPDATE) o
           WHERE l.id = o.id RETURNING l.id, l.topic, l.partition, l.first_offset, l.last_offset, l.why""",
        (actor, list(ids)),
    )
    return {id: describe(*rest) for id, *rest in cursor}


def describe(topic: str, partition: int, first: int, last: int | None, why: str) -> str:
    """`events, partition 0, offsets 5 to 9 (deleted)`."""
    offsets = f"from offset {first} on" if last is None else f"offsets {first} to {last}"
    return f"{topic}, partition {partition}, {offsets} ({why})"
