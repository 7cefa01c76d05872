"""Celery's tasks: what is due, the sweeper, retention. One that is lost, doubled or late does no harm."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from celery import shared_task

from processing.background import import_gaps, kinds, retention, sweeper
from processing.domain.away import leave_while_away
from processing.domain.failures import cause_of
from processing.domain.process import note_error
from processing.engine import after_commit, effects, release
from processing.kafka import dead_letter_topic, follow_ups
from processing.operators import tend_replays as runs
from processing.postgres.schema import has_migrations

log = structlog.get_logger(__name__)


@shared_task
def run_due(ids: list[str]) -> None:
    _unless_away(lambda: release.run_due(ids))


@shared_task
def run_effects() -> None:
    _unless_away(effects.run_effects)


@shared_task
def publish_follow_ups() -> None:
    _unless_away(follow_ups.publish_follow_ups)


@shared_task
def sweep() -> None:
    """The sweeper's quick part, every two seconds. A function that fails does not keep the others from their work."""
    for each in (
        sweeper.rescue_retries,
        sweeper.rescue_lanes,
        sweeper.rescue_hot_state,
        sweeper.rescue_dead_letter_list,
        sweeper.rescue_effects,
        dead_letter_topic.publish_pending,
        follow_ups.publish_follow_ups,
    ):
        try:
            _unless_away(each)
        except Exception as error:  # a bug in one is logged, and the others still run
            note_error(cause_of(error))
            log.exception("a sweep failed", sweep=each.__name__)


@shared_task
def renew_marks() -> None:
    _unless_away(sweeper.renew_marks)


@shared_task
def tend_kinds() -> None:
    _unless_away(kinds.tend_kinds)


@shared_task
def tend_replays() -> None:
    _unless_away(runs.tend_replays)


@shared_task
def pass_orphaned_gaps() -> None:
    _unless_away(sweeper.pass_orphaned_gaps)


@shared_task
def pass_import_gaps() -> None:
    _unless_away(import_gaps.pass_import_gaps)


@shared_task
def retire() -> None:
    _unless_away(retention.retire)


def _unless_away(work: Callable[[], object]) -> None:
    """Do it, unless Postgres or Redis is away or a migration is missing: then its rows are left to a later run."""
    leave_while_away(lambda: has_migrations() and work(), after_commit.why_redis_is_away, to="a later sweep")
