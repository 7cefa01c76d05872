"""Celery's tasks: retries that are due, the sweeper, retention. One that is lost, doubled or late does no harm."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from celery import shared_task
from redis import RedisError

from processing.background import import_gaps, kinds, retention, sweeper
from processing.engine import release
from processing.kafka import dead_letter_topic
from processing.postgres.schema import has_migrations
from processing.postgres.transaction import reset_if_transient

log = structlog.get_logger(__name__)


@shared_task
def run_due(ids: list[str]) -> None:
    _unless_transient(lambda: release.run_due(ids))


@shared_task
def sweep() -> None:
    """The sweeper's quick part, every two seconds. A function that fails does not keep the others from their work."""
    for each in (
        sweeper.rescue_retries,
        sweeper.rescue_lanes,
        sweeper.rescue_hot_state,
        dead_letter_topic.publish_pending,
    ):
        try:
            _unless_transient(each)
        except Exception:  # a bug in one is logged, and the others still run
            log.exception("a sweep failed", sweep=each.__name__)


@shared_task
def tend_kinds() -> None:
    _unless_transient(kinds.tend_kinds)


@shared_task
def pass_orphaned_gaps() -> None:
    _unless_transient(sweeper.pass_orphaned_gaps)


@shared_task
def pass_import_gaps() -> None:
    _unless_transient(import_gaps.pass_import_gaps)


@shared_task
def retire() -> None:
    _unless_transient(retention.retire)


def _unless_transient(work: Callable[[], object]) -> None:
    """Do it, unless Postgres or Redis is away or a migration is missing: then its rows are left to a later run."""
    try:
        if has_migrations():
            work()
    except RedisError as error:
        log.warning("Redis is away, a later sweep will do this", error=str(error))
    except Exception as error:
        if not reset_if_transient(error):
            raise
        log.warning("Postgres is not fit, a later sweep will do this", error=str(error).strip())
