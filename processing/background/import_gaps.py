"""Passes the gaps that files left in lanes: no consumer owns a file as it owns a partition."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import structlog
from confluent_kafka import KafkaException
from django.conf import settings

from processing.domain.positions import Partition, Position, is_reached
from processing.engine.release import pass_gaps
from processing.kafka import lag
from processing.postgres import imports
from processing.postgres.gaps import find_passable_of_imports, origins_at_gaps

log = structlog.get_logger(__name__)


def pass_import_gaps() -> int:
    """Pass gaps before events from a file, once its run is over and the log is read up to where it ended then.

    Returns how many were passed: of each lane all that such events stand behind.
    """
    if not imports.were_any():
        return 0
    timeout_ms = settings.SEQUENCE_GAP_TIMEOUT_MS
    runs = _done({o.import_run for o in origins_at_gaps(timeout_ms) if o.import_run is not None})
    passed = pass_gaps(find_passable_of_imports(runs, timeout_ms)) if runs else 0
    if passed:
        log.warning("passed gaps that files have left: their events did not come", gaps=passed)
    return passed


def _done(ids: Collection[int]) -> set[int]:
    """Those of these runs whose gaps can be passed now."""
    if not ids or imports.any_active():
        return set()
    runs = [run for run in imports.find(ids) if not run.active]
    try:
        log_now = lag.group_positions(exact=True)
    except KafkaException as error:
        log.warning("Kafka does not say how far it is read; no gap of a file is passed until it does", error=str(error))
        return set()
    imports.mark(
        [run for run in runs if run.watermarks is None],
        {partition: position.end for partition, position in log_now.items()},
    )
    if imports.any_active():  # one began while Kafka was asked, which takes its time
        return set()
    return {run.id for run in imports.find(ids) if _is_done(run, log_now)}


def _is_done(run: imports.ImportState, log_now: Mapping[Partition, Position]) -> bool:
    marks = run.watermarks
    return not run.active and run.confirmed and marks is not None and is_reached(marks, log_now)
