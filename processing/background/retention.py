"""Retention: old final events lose their payloads; ids stay, so that an old one still counts once."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.conf import settings

from processing.postgres import retention
from processing.postgres.effects import delete_ended_before
from processing.postgres.failures import delete_failures_before
from processing.postgres.passed_gaps import delete_passed_before
from processing.postgres.processes import forget_processes
from processing.postgres.tallies import delete_counts_before, merge_writers_before, roll_up_before

SLICE = timedelta(hours=1)
BY_THE_MINUTE, BY_TEN_MINUTES = timedelta(hours=2), timedelta(hours=25)  # what the first page plots so finely

log = structlog.get_logger(__name__)


def retire() -> int:
    """Strip final events older than RETENTION_DAYS of payload, bytes, key and error; returns how many. Failed attempts,
    counts and ended effects of that age are forgotten.

    After RETENTION_FORGET_DAYS (0: never) their rows are deleted, and the record of passed gaps. Open dead
    letters stay as they are.
    """
    now = retention.now()
    unneeded = now - timedelta(days=settings.RETENTION_DAYS)
    stripped = _strip(unneeded)
    delete_failures_before(unneeded)
    delete_ended_before(unneeded)
    merge_writers_before(now - BY_THE_MINUTE)
    roll_up_before(now - BY_THE_MINUTE, "10 minutes")
    roll_up_before(now - BY_TEN_MINUTES, "1 hour")
    delete_counts_before(unneeded)
    forget_processes()
    forgotten = 0
    if settings.RETENTION_FORGET_DAYS:
        old = now - timedelta(days=settings.RETENTION_FORGET_DAYS)
        forgotten = retention.delete_received_before(old)
        delete_passed_before(old)
    if stripped or forgotten:
        log.info("retention", stripped=stripped, forgotten=forgotten)
    return stripped + forgotten


def _strip(until: datetime) -> int:
    """Slice by slice from where the last run ended, so that stripped rows are not read again; and what was not final
    when its slice had its turn."""
    start = retention.stripped_until()
    stripped = 0
    if start is not None and start > until:  # the clock was ahead then, and is no longer
        retention.note_stripped_until(until)
    while start is not None and start < until:
        end = min(start + SLICE, until)
        stripped += retention.strip_received(start, end)
        retention.note_stripped_until(end)
        start = end
    return stripped + retention.strip_kept(until)
