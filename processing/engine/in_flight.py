"""The marks of a batch that takes long: set, and taken back, by the thread that writes the batch's hot state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog
from redis import RedisError

from processing.domain.outcomes import BatchResult
from processing.hot_state.write import mark_in_flight

log = structlog.get_logger(__name__)


class BatchMarks:
    """Of one batch at a time. The write of its result takes back the marks of all its events, unless they are
    retrying: also of those that were final before, or that are held."""

    def __init__(self) -> None:
        self._ids: Sequence[str] = ()

    def set(self, ids: Sequence[str]) -> None:
        """Mark these events, or renew their marks. While Redis is away they have none: nothing depends on them."""
        self._ids = ids  # first: they may be marked although no answer came
        try:
            mark_in_flight(ids)
        except RedisError as error:
            log.warning("Redis is away; a batch that takes long is not marked as in flight", error=str(error))

    def taken_back_by(self, result: BatchResult) -> BatchResult:
        """The batch's result, whose hot state has all that was marked."""
        if not self._ids:
            return result
        update = result.hot_state
        written = {event.id for event in update.arrived}.union(update.refresh)
        rest = [id for id in self._ids if id not in written]
        self._ids = ()
        return replace(result, hot_state=replace(update, refresh=[*update.refresh, *rest]))
