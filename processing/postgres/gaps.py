"""Gaps: which lanes stand before one, and up to where their gaps can be passed. For callers outside of a transaction.

A gap belongs to whoever brought the event right behind it: a partition's consumer, or a file's run. Decided is not a
gap but an event: all gaps before one that has waited long enough can be passed, those before other events too.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from processing.domain.lanes import PassableGaps
from processing.domain.positions import Partition
from processing.postgres.imports import were_any
from processing.postgres.inbox import WAITING_STATUSES
from processing.postgres.transaction import raw_cursor

LANES = 20_000  # known at once, about; bounds memory
LEAST = 500  # found by one statement though so many are known

# of a lane `l` the first event that waits there
_FIRST: LiteralString = """LATERAL (
    SELECT f.seq, f.topic, f.partition, f.import_run FROM processing_inboxevent f
    WHERE f.user_id = l.user_id AND f.seq >= l.next_seq AND (f.status = ANY(%(waiting)s)) IS TRUE
    ORDER BY f.seq LIMIT 1) f"""
_AGE: LiteralString = "clock_timestamp() - %(timeout)s * interval '1 millisecond'"


@dataclass(frozen=True)
class DecidedPart:
    """Of an assigned partition, the part in which events have waited long enough: at offsets lower than `before`.

    So have those at offsets that this generation of the log has not reached: they are of an earlier one.
    """

    topic: str
    partition: int
    generation: int
    before: int


@dataclass(frozen=True)
class Origin:
    """Where an event came from: a partition, a file's run, or neither, as one that was skipped and waits again."""

    partition: Partition | None
    import_run: int | None


def any_gaps() -> bool:
    """Whether any lane stands before a gap."""
    cursor = raw_cursor().execute(
        "SELECT FROM processing_lane WHERE waits_for = 'gap' AND waiting_since IS NOT NULL LIMIT 1"
    )
    return cursor.fetchone() is not None


def find_passable(decided: Sequence[DecidedPart], timeout_ms: int, known: Collection[str] = ()) -> list[PassableGaps]:
    """The lanes with gaps before events that stand in these parts, and for each the highest such event; none of the
    users that are `known`.

    Not beyond an event of a file, whose gap is its run's. What an operator brought back, or a lane that was set back,
    waits for `timeout_ms` by the database's clock: it was read long ago.
    """
    return _find(
        f"""WITH d AS MATERIALIZED (
              SELECT topic, partition, n.before, p.next_offset
              FROM unnest(%(topics)s::text[], %(partitions)s::int[], %(generations)s::int[], %(befores)s::bigint[])
                   AS n(topic, partition, generation, before)
              JOIN processing_partitionposition p USING (topic, partition, generation))
            SELECT l.user_id, l.next_seq, o.seq, l.waiting_since FROM processing_lane l, {_FIRST}, LATERAL (
              SELECT i.seq FROM processing_inboxevent i
              WHERE i.user_id = l.user_id AND i.seq > l.next_seq AND (i.status = ANY(%(waiting)s)) IS TRUE
                AND EXISTS (SELECT FROM d WHERE d.topic = i.topic AND d.partition = i.partition
                            AND (i."offset" < d.before OR i."offset" >= d.next_offset))
                AND (i.replay IS NULL AND l.set_back_from IS NULL OR l.waiting_since < {_AGE})
                AND (NOT %(files)s OR i.seq < coalesce((
                  SELECT w.seq FROM processing_inboxevent w
                  WHERE w.user_id = l.user_id AND w.seq >= l.next_seq AND (w.status = ANY(%(waiting)s)) IS TRUE
                    AND w.import_run IS NOT NULL ORDER BY w.seq LIMIT 1), i.seq + 1))
              ORDER BY i.seq DESC LIMIT 1) o
            WHERE l.waits_for = 'gap' AND l.waiting_since IS NOT NULL AND f.import_run IS NULL
              AND (l.user_id = ANY(%(known)s::text[])) IS NOT TRUE""",
        {
            "topics": [each.topic for each in decided],
            "partitions": [each.partition for each in decided],
            "generations": [each.generation for each in decided],
            "befores": [each.before for each in decided],
            "files": were_any(),
            "timeout": timeout_ms,
            "known": list(known),
        },
        known=len(known),
    )


def origins_at_gaps(timeout_ms: int) -> set[Origin]:
    """Where the first events behind gaps came from, of lanes that have waited for longer than `timeout_ms`."""
    cursor = raw_cursor().execute(
        f"""SELECT DISTINCT f.topic, f.partition, f.import_run FROM processing_lane l, {_FIRST}
            WHERE l.waits_for = 'gap' AND l.waiting_since < {_AGE} AND f.seq > l.next_seq""",
        {"waiting": WAITING_STATUSES, "timeout": timeout_ms},
    )
    return {
        Origin(None if topic is None or partition is None else (topic, partition), run)
        for topic, partition, run in cursor
    }


def find_passable_of_imports(runs: Collection[int], timeout_ms: int) -> list[PassableGaps]:
    """The lanes with gaps before events that these runs have brought longer than `timeout_ms` ago, and the last of
    those that stand there before any other."""
    return _find_first_of("x.import_run = ANY(%(runs)s)", {"runs": list(runs), "timeout": timeout_ms})


def find_passable_without_partition(gone: Collection[Partition], timeout_ms: int) -> list[PassableGaps]:
    """As `find_passable_of_imports`, of events whose partitions are these, or that keep none."""
    return _find_first_of(
        """x.import_run IS NULL AND (x.topic IS NULL OR x.partition IS NULL
             OR (x.topic, x.partition) IN (SELECT * FROM unnest(%(topics)s::text[], %(partitions)s::int[])))""",
        {
            "topics": [topic for topic, _ in gone],
            "partitions": [partition for _, partition in gone],
            "timeout": timeout_ms,
        },
    )


def _find_first_of(origin: LiteralString, parameters: dict[str, Any]) -> list[PassableGaps]:
    return _find(
        f"""SELECT l.user_id, l.next_seq, o.seq, l.waiting_since FROM processing_lane l, LATERAL (
              SELECT seq FROM (
                SELECT x.seq, bool_and(coalesce({origin} AND x.received_at < {_AGE}, false)) OVER (
                         ORDER BY x.seq) AS all_of
                FROM processing_inboxevent x
                WHERE x.user_id = l.user_id AND x.seq >= l.next_seq AND (x.status = ANY(%(waiting)s)) IS TRUE) w
              WHERE all_of AND seq > l.next_seq ORDER BY seq DESC LIMIT 1) o
            WHERE l.waits_for = 'gap' AND l.waiting_since < {_AGE}""",
        parameters,
    )


def _find(lanes: LiteralString, parameters: dict[str, Any], known: int = 0) -> list[PassableGaps]:
    """Those that wait longest; where these are not all, the last too: a crowd hides nobody who came after it."""
    limit = max(LEAST, LANES - known)
    found = _find_first(f"{lanes} ORDER BY l.waiting_since", limit, parameters)
    if len(found) == limit:
        found |= _find_first(f"{lanes} ORDER BY l.waiting_since DESC", limit, parameters)
    return list(found.values())


def _find_first(lanes: LiteralString, limit: int, parameters: dict[str, Any]) -> dict[str, PassableGaps]:
    cursor = raw_cursor().execute(
        f"{lanes} LIMIT %(limit)s", {"waiting": WAITING_STATUSES, "limit": limit, **parameters}
    )
    return {row[0]: PassableGaps(*row) for row in cursor}
