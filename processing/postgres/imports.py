"""Import runs: which go on, which are over, and how far the log must be read before their gaps are passed.

A gap that a file left belongs to no partition whose end could tell that nothing more comes. Its lane waits until the
run is over, and then until the consumers have read what stood in the log by that time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

import orjson

from processing.domain.positions import Partition
from processing.domain.texts import storable
from processing.postgres.transaction import raw_cursor

SILENT_S = 60  # a run without a heartbeat for so long is over
GRACE_S = 10  # after its mark, time for one more heartbeat: the run may have waited for Postgres, as we did


@dataclass(frozen=True)
class ImportState:
    """A run as the sweeper sees it. `confirmed`: it ended, or had time enough for a heartbeat after it was marked."""

    id: int
    heartbeat_at: datetime
    active: bool
    watermarks: Mapping[Partition, int] | None
    confirmed: bool


def start(source: str) -> int:
    """Begin a run; returns its number."""
    name = storable(source)
    row = raw_cursor().execute("INSERT INTO processing_importrun (source) VALUES (%s) RETURNING id", (name,)).fetchone()
    assert row is not None
    return int(row[0])


def heartbeat(run: int, *, new: int = 0, known: int = 0) -> None:
    """The run goes on, with so many more lines; an end noted while it had no heartbeat is taken back.

    Called last in the transaction of a batch, so that a reader who sees the batch sees this too, and every few seconds
    outside of it, so that a long transaction counts as going on.
    """
    raw_cursor().execute(
        """UPDATE processing_importrun SET heartbeat_at = clock_timestamp(), ended_at = NULL, watermarks = NULL,
                  watermarks_at = NULL, new_lines = new_lines + %s, known_lines = known_lines + %s WHERE id = %s""",
        (new, known, run),
    )


def end(run: int) -> None:
    """The run has read its file to the end."""
    raw_cursor().execute(
        """UPDATE processing_importrun SET heartbeat_at = clock_timestamp(), ended_at = clock_timestamp(),
                  watermarks = NULL, watermarks_at = NULL WHERE id = %s""",
        (run,),
    )


def unfinished(run: int) -> dict[str, int]:
    """How many events of a run are held, retrying or failed, by status. Reads the events received since it started."""
    cursor = raw_cursor().execute(
        """SELECT i.status, count(*) FROM processing_importrun f
           JOIN processing_inboxevent i ON i.received_at >= f.started_at AND i.import_run = f.id
             AND i.status IN ('held', 'retrying', 'failed')
           WHERE f.id = %s GROUP BY i.status""",
        (run,),
    )
    return {status: int(count) for status, count in cursor}


def were_any() -> bool:
    """Whether any file was ever applied here."""
    return raw_cursor().execute("SELECT FROM processing_importrun LIMIT 1").fetchone() is not None


def any_active() -> bool:
    """Whether a run goes on: it has not ended, and its last heartbeat is younger than `SILENT_S`."""
    cursor = raw_cursor().execute(
        """SELECT FROM processing_importrun WHERE ended_at IS NULL
             AND heartbeat_at > clock_timestamp() - %s * interval '1 second' LIMIT 1""",
        (SILENT_S,),
    )
    return cursor.fetchone() is not None


def find(ids: Collection[int]) -> list[ImportState]:
    """The runs with these ids."""
    cursor = raw_cursor().execute(
        """SELECT id, heartbeat_at, ended_at IS NULL AND heartbeat_at > clock_timestamp() - %s * interval '1 second',
                  watermarks,
                  ended_at IS NOT NULL OR coalesce(watermarks_at < clock_timestamp() - %s * interval '1 second', false)
           FROM processing_importrun WHERE id = ANY(%s)""",
        (SILENT_S, GRACE_S, sorted(ids)),
    )
    return [
        ImportState(id, heartbeat_at, active, _from_json(marks), confirmed)
        for id, heartbeat_at, active, marks, confirmed in cursor
    ]


def mark(runs: Collection[ImportState], ends: Mapping[Partition, int]) -> None:
    """Note where the log ends now, for runs that are over. A run that had a heartbeat since is left alone."""
    marks = orjson.dumps([[topic, partition, end] for (topic, partition), end in sorted(ends.items())]).decode()
    raw_cursor().execute(
        """UPDATE processing_importrun f SET watermarks = %s::jsonb, watermarks_at = clock_timestamp()
           FROM unnest(%s::int[], %s::timestamptz[]) AS r(id, heartbeat_at)
           WHERE f.id = r.id AND f.heartbeat_at = r.heartbeat_at AND f.watermarks IS NULL""",
        (marks, [run.id for run in runs], [run.heartbeat_at for run in runs]),
    )


def _from_json(marks: str | None) -> dict[Partition, int] | None:
    """Django has its connection leave JSON as text."""
    return None if marks is None else {(topic, partition): end for topic, partition, end in orjson.loads(marks)}
