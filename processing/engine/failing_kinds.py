"""Kinds whose handlers keep failing, as after a bad deploy, are stopped before they fail all their events."""

from __future__ import annotations

from collections.abc import Iterable

import structlog
from django.conf import settings

from processing.domain.failing_kinds import Failing, FailingKinds, Limits
from processing.domain.families import declared_types
from processing.domain.kinds import parts_of
from processing.engine.handlers import retry_policy
from processing.postgres import kinds

MOST_TYPES = 20  # of a family, stopped at once; each is a row that every transaction reads, and is probed alone

log = structlog.get_logger(__name__)


def new_window() -> FailingKinds:
    limits = Limits(settings.FAILURE_LIMIT_IN_A_ROW, settings.FAILURE_LIMIT_PERCENT, settings.FAILURE_WINDOW)
    return FailingKinds(limits, declared_types)


def stop(failing: Iterable[Failing]) -> None:
    """Stop these kinds: their new events are stored and wait, and one that waits is tried now and then.

    A family of which MOST_TYPES types are stopped fails over many types: it is stopped whole.
    """
    for each in failing:
        kind, reason = each.kind, each.reason
        family, event_type, _ = parts_of(kind)
        if event_type is not None and kinds.count_stopped_types(family) >= MOST_TYPES:
            kind, reason = family, f"{MOST_TYPES} of its types are stopped; of another {reason}"
        first_probe_in_ms = retry_policy().delay_ms(1)
        if kinds.stop(kind, reason, each.cause.error_class, each.cause.place, first_probe_in_ms):
            log.error(
                "stopped a kind of event: its handler keeps failing; its events wait, and are tried one at a time",
                kind=kind,
                reason=reason,
                error_class=each.cause.error_class,
                error_place=each.cause.place,
            )
