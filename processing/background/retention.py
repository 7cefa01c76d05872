"""Retention: old final events lose their payloads; ids stay, so that an old one still counts once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings

from processing.postgres import retention
from processing.postgres.edits import EDITS
from processing.postgres.effects import ENDED_EFFECTS
from processing.postgres.failures import ATTEMPTS, GROUPS, TRACEBACKS
from processing.postgres.old_rows import OldRows, count_old, delete_old
from processing.postgres.passed_gaps import PASSED_GAPS
from processing.postgres.processes import forget_processes
from processing.postgres.replay_runs import ENDED_ITEMS, ENDED_RUNS
from processing.postgres.retention import DISCARDED_LETTERS, FINAL_EVENTS
from processing.postgres.tallies import COUNTS, merge_writers_before, roll_up_before

SLICE = timedelta(hours=1)
BY_THE_MINUTE, BY_TEN_MINUTES = timedelta(hours=2), timedelta(hours=25)  # what the first page plots so finely
CONTENT = "content of processing_inboxevent"

Told = Callable[[str, int], object]  # gets what is taken from which table, and how many rows since the last call

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Step:
    """Rows of a table that go."""

    rows: OldRows
    before: datetime


def told_to_nobody(what: str, rows: int) -> None:
    """Progress of a run that nobody watches."""


def steps(now: datetime) -> Iterator[Step]:
    """The rows that go, in this order, by RETENTION_DAYS and RETENTION_FORGET_DAYS (0: never)."""
    for rows in (ATTEMPTS, TRACEBACKS, GROUPS, ENDED_EFFECTS, ENDED_ITEMS, ENDED_RUNS, EDITS, COUNTS):
        yield Step(rows, _unneeded(now))
    if settings.RETENTION_FORGET_DAYS:
        for rows in (DISCARDED_LETTERS, FINAL_EVENTS, PASSED_GAPS):
            yield Step(rows, now - timedelta(days=settings.RETENTION_FORGET_DAYS))


def foretell() -> dict[str, int]:
    """How many rows `retire` would take from what, now. Changes nothing."""
    now = retention.now()
    start = retention.stripped_until()
    found = {CONTENT: 0 if start is None else retention.count_to_strip(start, _unneeded(now))}
    return found | {step.rows.table: count_old(step.rows, step.before) for step in steps(now)}


def retire(told: Told = told_to_nobody) -> int:
    """Strip final events older than RETENTION_DAYS of payload, bytes, key and error. Failed attempts, counts and
    ended effects of that age are forgotten. Returns how many events were stripped or forgotten.

    After RETENTION_FORGET_DAYS (0: never) their rows are deleted, and the record of passed gaps. Open dead
    letters stay as they are.
    """
    now = retention.now()
    stripped = _strip(_unneeded(now), told)
    merge_writers_before(now - BY_THE_MINUTE)
    roll_up_before(now - BY_THE_MINUTE, "10 minutes")
    roll_up_before(now - BY_TEN_MINUTES, "1 hour")
    forget_processes()
    gone = {step.rows.table: _delete(step, told) for step in steps(now)}
    forgotten = gone.get(FINAL_EVENTS.table, 0)
    if stripped or forgotten:
        log.info("retention", stripped=stripped, forgotten=forgotten)
    return stripped + forgotten


def _unneeded(now: datetime) -> datetime:
    return now - timedelta(days=settings.RETENTION_DAYS)


def _delete(step: Step, told: Told) -> int:
    return delete_old(step.rows, step.before, lambda rows: told(step.rows.table, rows))


def _strip(until: datetime, told: Told) -> int:
    """Slice by slice from where the last run ended, so that stripped rows are not read again; and what was not final
    when its slice had its turn."""

    def progress(rows: int) -> None:
        told(CONTENT, rows)

    start = retention.stripped_until()
    stripped = 0
    if start is not None and start > until:  # the clock was ahead then, and is no longer
        retention.note_stripped_until(until)
    while start is not None and start < until:
        end = min(start + SLICE, until)
        stripped += retention.strip_received(start, end, progress)
        retention.note_stripped_until(end)
        start = end
    return stripped + retention.strip_kept(until, progress)
