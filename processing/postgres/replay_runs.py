"""The rows of replay runs.

A step of a run locks the run's row first, and skips a run whose row another process has. Nothing of it outlives the
step's transaction, so a run whose process was killed is free at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

import msgspec

from processing.domain.replays import Choice, Phase, Refusal, add_refusals, read_choice, write_choice
from processing.postgres.old_rows import OldRows
from processing.postgres.transaction import Cursor, raw_cursor

ENDED_ITEMS = OldRows(
    "processing_replayitem",
    "run_id, event_id",
    """SELECT run_id, event_id FROM processing_replayitem
       WHERE run_id IN (SELECT id FROM processing_replayrun WHERE ended_at < %(before)s)""",
)
ENDED_RUNS = OldRows(
    "processing_replayrun",
    "id",
    """SELECT id FROM processing_replayrun r WHERE ended_at < %(before)s
         AND NOT EXISTS (SELECT FROM processing_replayitem t WHERE t.run_id = r.id)""",
    foretold="SELECT id FROM processing_replayrun WHERE ended_at < %(before)s",
)

_COLUMNS: LiteralString = """id, phase, created_at, cancelled_at IS NOT NULL, ended_at IS NOT NULL, chosen_time,
                             chosen_id, looked_at, chosen, refused, replayed, succeeded, failed, skipped"""


@dataclass(frozen=True)
class Run:
    """A run's row. `after`: the last dead letter that choosing came to."""

    id: int
    phase: Phase
    created_at: datetime
    cancelled: bool
    ended: bool
    chosen_time: datetime | None
    chosen_id: str
    looked_at: int
    chosen: int
    refused: int
    replayed: int
    succeeded: int
    failed: int
    skipped: int

    @property
    def waiting(self) -> int:
        return self.replayed - self.succeeded - self.failed - self.skipped

    @property
    def goes_on(self) -> bool:
        return self.phase != Phase.DONE and not self.cancelled


def insert_run(cursor: Cursor, id: int, choice: Choice, actor: str, reason: str, at: datetime) -> bool:
    """False if it is there: the commit that brought it was not answered."""
    cursor.execute(
        """INSERT INTO processing_replayrun (id, choice, actor, reason, created_at)
           VALUES (%s, %s::jsonb, %s, %s, %s) ON CONFLICT (id) DO NOTHING""",
        (id, write_choice(choice), actor, reason, at),
    )
    return cursor.rowcount == 1


def find_run(id: int) -> Run | None:
    return _run(raw_cursor().execute(f"SELECT {_COLUMNS} FROM processing_replayrun WHERE id = %s", (id,)))


def claim(cursor: Cursor, id: int) -> Run | None:
    """The run, locked; None if another process takes it a step further, or there is none."""
    return _run(
        cursor.execute(f"SELECT {_COLUMNS} FROM processing_replayrun WHERE id = %s FOR UPDATE SKIP LOCKED", (id,))
    )


def _run(cursor: Cursor) -> Run | None:
    row = cursor.fetchone()
    return None if row is None else Run(row[0], Phase(row[1]), *row[2:])


def runs_not_over(limit: int) -> list[int]:
    """Those that have something to do, or events that wait."""
    cursor = raw_cursor().execute(
        "SELECT id FROM processing_replayrun WHERE ended_at IS NULL ORDER BY id LIMIT %s", (limit,)
    )
    return [id for (id,) in cursor]


def choice_of(id: int) -> Choice:
    row = raw_cursor().execute("SELECT choice FROM processing_replayrun WHERE id = %s", (id,)).fetchone()
    assert row is not None
    return read_choice(row[0])


def refusals_of(id: int) -> dict[str, Refusal]:
    """Why a run left events as they were: by reason how many, and the first ids."""
    row = raw_cursor().execute("SELECT refusals FROM processing_replayrun WHERE id = %s", (id,)).fetchone()
    return {} if row is None else msgspec.json.decode(row[0], type=dict[str, Refusal])


def keep_refusals(cursor: Cursor, run: int, refused: Iterable[tuple[str, str]]) -> None:
    """Add these (id, reason) to what the (locked) run keeps of the events that it left as they were."""
    cursor.execute("SELECT refusals FROM processing_replayrun WHERE id = %s", (run,))
    row = cursor.fetchone()
    assert row is not None
    refusals = add_refusals(msgspec.json.decode(row[0], type=dict[str, Refusal]), refused)
    cursor.execute(
        "UPDATE processing_replayrun SET refusals = %s::jsonb WHERE id = %s",
        (msgspec.json.encode(refusals).decode(), run),
    )


def note_done(cursor: Cursor, run: int) -> None:
    cursor.execute("UPDATE processing_replayrun SET phase = %s WHERE id = %s", (Phase.DONE, run))


def end_if_over(cursor: Cursor, run: int) -> None:
    """The (locked) run has ended once it has nothing to do, and none of its events waits."""
    cursor.execute(
        """UPDATE processing_replayrun SET ended_at = clock_timestamp() WHERE id = %s AND ended_at IS NULL
             AND (phase = 'done' OR cancelled_at IS NOT NULL) AND replayed = succeeded + failed + skipped""",
        (run,),
    )


def cancel(cursor: Cursor, run: int, actor: str) -> bool:
    """False if it is done, or cancelled already. Waits for a step that is being made."""
    cursor.execute(
        """UPDATE processing_replayrun SET cancelled_at = clock_timestamp(), cancelled_by = %s
           WHERE id = %s AND phase <> 'done' AND cancelled_at IS NULL""",
        (actor, run),
    )
    return cursor.rowcount == 1


def go_on(cursor: Cursor, run: int) -> bool:
    """False if it is not cancelled."""
    cursor.execute(
        """UPDATE processing_replayrun SET cancelled_at = NULL, cancelled_by = '', ended_at = NULL
           WHERE id = %s AND cancelled_at IS NOT NULL""",
        (run,),
    )
    return cursor.rowcount == 1
