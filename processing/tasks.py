"""Celery's part: retries when they are due, and the sweeps. A task can be lost, doubled or late: rows decide."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from celery import shared_task
from redis import RedisError

from processing import dead_letters, retention, sweeps, waking
from processing.migrations_check import has_migrations
from processing.transactions import database_is_unfit

log = structlog.get_logger(__name__)


@shared_task
def wake(ids: list[str]) -> None:
    _unless_unfit(lambda: waking.wake(ids))


@shared_task
def sweep() -> None:
    """What must not wait long: every second or two. One that fails does not keep the others from their work."""
    for each in (sweeps.sweep_retries, sweeps.sweep_lanes, sweeps.sweep_outbox, dead_letters.publish_pending):
        try:
            _unless_unfit(each)
        except Exception:  # a bug in one is told, and the rest still find what waits
            log.exception("a sweep failed", sweep=each.__name__)


@shared_task
def sweep_orphans() -> None:
    _unless_unfit(sweeps.sweep_orphans)


@shared_task
def sweep_file_gaps() -> None:
    _unless_unfit(sweeps.sweep_file_gaps)


@shared_task
def retire() -> None:
    _unless_unfit(retention.retire)


def _unless_unfit(work: Callable[[], object]) -> None:
    """Do it, unless Postgres or Redis is away or a migration is missing: then it is left, as rows, to a later sweep."""
    try:
        if has_migrations():
            work()
    except RedisError as error:
        log.warning("Redis is away, a later sweep will do this", error=str(error))
    except Exception as error:
        if not database_is_unfit(error):
            raise
        log.warning("Postgres is not fit, a later sweep will do this", error=str(error).strip())
