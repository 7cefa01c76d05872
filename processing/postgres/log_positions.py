"""How far each partition is in Postgres, moved by the transaction of each batch.

A row is made, and set back, only when a consumer takes its partition; batches move it onwards.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from processing.domain.log_positions import PositionMove, StoredPosition
from processing.domain.positions import Partition
from processing.postgres.transaction import Cursor, transaction

Moves = Sequence[PositionMove]

PLACING = 5_810_001  # the advisory lock of those who place partitions: two may make the same first row


@contextmanager
def transaction_moving(moves: Moves) -> Iterator[Cursor]:
    """A transaction that ends with these moves: their locks are taken last."""
    with transaction() as cursor:
        yield cursor
        move_positions(cursor, moves)


def move_positions(cursor: Cursor, moves: Moves) -> None:
    """Move positions onwards, in the order of their keys. One of another generation is left as it is."""
    if not moves:
        return
    cursor.execute(
        """UPDATE processing_partitionposition p
           SET next_offset = greatest(p.next_offset, m.next_offset), end_offset = greatest(p.end_offset, m.end_offset),
               updated_at = now()
           FROM (SELECT o.id, n.next_offset, n.end_offset
                 FROM unnest(%s::text[], %s::int[], %s::int[], %s::bigint[], %s::bigint[])
                      AS n(topic, partition, generation, next_offset, end_offset)
                 JOIN processing_partitionposition o USING (topic, partition, generation)
                 ORDER BY topic COLLATE "C", partition FOR UPDATE OF o) m
           WHERE p.id = m.id""",
        (
            [move.topic for move in moves],
            [move.partition for move in moves],
            [move.generation for move in moves],
            [move.next for move in moves],
            [move.end_seen for move in moves],
        ),
    )


def lock_positions(cursor: Cursor, partitions: Collection[Partition]) -> dict[Partition, StoredPosition]:
    """The positions that there are, locked, and no other process places a partition before the commit."""
    cursor.execute("SELECT pg_advisory_xact_lock(%s)", (PLACING,))
    cursor.execute(
        """SELECT o.topic, o.partition, o.topic_id, o.next_offset, o.end_offset, o.generation
           FROM processing_partitionposition o JOIN unnest(%s::text[], %s::int[]) AS n(topic, partition)
                USING (topic, partition)
           ORDER BY o.topic COLLATE "C", o.partition FOR UPDATE OF o""",
        _columns(partitions),
    )
    return {(topic, number): StoredPosition(*rest) for topic, number, *rest in cursor}


def write_positions(cursor: Cursor, positions: Mapping[Partition, StoredPosition]) -> None:
    """Make or replace the rows; the caller has locked them."""
    values = positions.values()
    cursor.execute(
        """INSERT INTO processing_partitionposition (topic, partition, topic_id, generation, next_offset, end_offset)
           SELECT * FROM unnest(%s::text[], %s::int[], %s::text[], %s::int[], %s::bigint[], %s::bigint[])
           ON CONFLICT (topic, partition) DO UPDATE
           SET topic_id = excluded.topic_id, generation = excluded.generation, next_offset = excluded.next_offset,
               end_offset = excluded.end_offset, updated_at = now()""",
        (
            *_columns(positions),
            [each.topic_id for each in values],
            [each.generation for each in values],
            [each.next for each in values],
            [each.end_seen for each in values],
        ),
    )


def forget_positions(topics: Collection[str]) -> None:
    """The log of these topics is about to end, with all of it processed: the next one is a first reading."""
    with transaction() as cursor:
        cursor.execute("DELETE FROM processing_partitionposition WHERE topic = ANY(%s)", (list(topics),))


def _columns(partitions: Collection[Partition]) -> tuple[list[str], list[int]]:
    return [topic for topic, _ in partitions], [number for _, number in partitions]
