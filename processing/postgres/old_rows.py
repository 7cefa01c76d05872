"""Old rows of a table, counted or deleted by one condition: a few at a time, so that nobody waits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from processing.postgres.transaction import raw_cursor

ROWS = 5_000  # of one statement

Progress = Callable[[int], object]  # gets the number of rows done since the last call


def nobody_asks(rows: int) -> None:
    """Progress that is shown to nobody."""


@dataclass(frozen=True)
class OldRows:
    """`select` the keys of those from before %(before)s; `also` holds when one is deleted. `foretold`: the keys where
    rows of other tables, which hold these, are to be deleted first."""

    table: LiteralString
    key: LiteralString
    select: LiteralString
    lock: LiteralString = ""
    also: LiteralString = ""
    foretold: LiteralString = ""


def count_old(rows: OldRows, before: datetime) -> int:
    return count(f"SELECT count(*) FROM ({rows.foretold or rows.select}) o", before=before)


def delete_old(rows: OldRows, before: datetime, progress: Progress = nobody_asks) -> int:
    return repeat(
        f"""DELETE FROM {rows.table}
            WHERE ({rows.key}) IN ({rows.select} LIMIT %(rows)s {rows.lock}) {rows.also}""",
        progress,
        before=before,
    )


def count(statement: LiteralString, **parameters: object) -> int:
    row = raw_cursor().execute(statement, parameters).fetchone()
    assert row is not None
    return int(row[0])


def repeat(statement: LiteralString, progress: Progress = nobody_asks, **parameters: object) -> int:
    """Until it changes no row more. Returns how many it has changed."""
    total = 0
    while changed := raw_cursor().execute(statement, {**parameters, "rows": ROWS}).rowcount:
        progress(changed)
        total += changed
    return total
