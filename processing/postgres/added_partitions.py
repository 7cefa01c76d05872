"""The partitions of topics as they were first seen, and how far those that were added must be read."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from processing.domain.positions import Partition
from processing.postgres.transaction import raw_cursor


def known_partitions(topics: Collection[str]) -> dict[Partition, int | None]:
    """Those that were seen before. The number: where an added one ended then, None once it has been read to there."""
    cursor = raw_cursor().execute(
        """SELECT topic, partition, CASE WHEN reached_at IS NULL THEN first_end END FROM processing_addedpartition
           WHERE topic = ANY(%s)""",
        (list(topics),),
    )
    return {(topic, partition): end for topic, partition, end in cursor}


def note_partitions(ends: Mapping[Partition, int], *, reached: bool) -> None:
    """Write down partitions that are seen for the first time; `reached`: with their topic.

    What another consumer has written stays.
    """
    raw_cursor().execute(
        """INSERT INTO processing_addedpartition (topic, partition, first_end, reached_at)
           SELECT topic, partition, first_end, CASE WHEN %s THEN now() END
           FROM unnest(%s::text[], %s::int[], %s::bigint[]) AS n(topic, partition, first_end)
           ORDER BY topic, partition ON CONFLICT (topic, partition) DO NOTHING""",
        (reached, [topic for topic, _ in ends], [number for _, number in ends], list(ends.values())),
    )


def mark_reached(partitions: Collection[Partition]) -> None:
    """These are read to where they ended when they were first seen."""
    raw_cursor().execute(
        """UPDATE processing_addedpartition p SET reached_at = now()
           FROM unnest(%s::text[], %s::int[]) AS n(topic, partition)
           WHERE p.topic = n.topic AND p.partition = n.partition AND p.reached_at IS NULL""",
        ([topic for topic, _ in partitions], [number for _, number in partitions]),
    )


def forget_partitions(partitions: Collection[Partition]) -> None:
    """These are no more."""
    raw_cursor().execute(
        """DELETE FROM processing_addedpartition p USING unnest(%s::text[], %s::int[]) AS n(topic, partition)
           WHERE p.topic = n.topic AND p.partition = n.partition""",
        ([topic for topic, _ in partitions], [number for _, number in partitions]),
    )


def any_unreached() -> bool:
    row = (
        raw_cursor()
        .execute("SELECT EXISTS (SELECT FROM processing_addedpartition WHERE reached_at IS NULL)")
        .fetchone()
    )
    assert row is not None
    return bool(row[0])
