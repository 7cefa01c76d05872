"""Passes the gaps that files left in lanes: no consumer owns a file as it owns a partition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog
from confluent_kafka import KafkaException
from django.conf import settings

from processing.domain.positions import Partition, Position, is_reached
from processing.engine import release
from processing.engine.release import pass_gaps
from processing.kafka import lag
from processing.postgres import imports
from processing.postgres.due import Gap, find_gaps_of_imports

ROUNDS = 100  # each passes one gap of each lane

log = structlog.get_logger(__name__)


def pass_import_gaps() -> int:
    """Pass gaps before events from a file, once its run is over and the log is read up to where it ended then.

    A lane may have many gaps, so this goes on while any can be passed. Returns how many were passed.
    """
    passed = 0
    for _ in range(ROUNDS if imports.were_any() else 0):
        users = pass_gaps(_passable(find_gaps_of_imports(settings.SEQUENCE_GAP_TIMEOUT_MS)))
        release.release_all(users)
        passed += len(users)
        if not users:
            break
    if passed:
        log.warning("passed gaps that files have left: their events did not come", gaps=passed)
    return passed


def _passable(gaps: Sequence[Gap]) -> dict[str, int]:
    """The gaps among these that can be passed now, as next seq by user."""
    if not gaps or imports.any_active():
        return {}
    ids = {gap.import_run for gap in gaps if gap.import_run is not None}
    runs = [run for run in imports.find(ids) if not run.active]
    try:
        log_now = lag.group_positions(exact=True)
    except KafkaException as error:
        log.warning("Kafka does not say how far it is read; no gap of a file is passed until it does", error=str(error))
        return {}
    imports.mark(
        [run for run in runs if run.watermarks is None],
        {partition: position.end for partition, position in log_now.items()},
    )
    if imports.any_active():  # one began while Kafka was asked, which takes its time
        return {}
    done = {run.id for run in imports.find(ids) if _is_done(run, log_now)}
    return {gap.user_id: gap.next_seq for gap in gaps if gap.import_run in done}


def _is_done(run: imports.ImportState, log_now: Mapping[Partition, Position]) -> bool:
    marks = run.watermarks
    return not run.active and run.confirmed and marks is not None and is_reached(marks, log_now)
