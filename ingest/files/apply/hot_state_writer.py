"""Redis, as a run over a file writes it: while it is away, the sweeper will do it from the outbox."""

from __future__ import annotations

import time
from collections.abc import Callable

from redis import RedisError

from processing.domain.away import leave_while_away
from processing.domain.outcomes import HotStateUpdate
from processing.engine.after_commit import why_redis_is_away
from processing.hot_state.write import write_hot_state

AWAY_S = 10.0  # so long it is left alone: each try may take as long as its timeout


class HotStateWriter:
    """Tells once when Redis goes away, and when it is back."""

    def __init__(self, tell: Callable[[str], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._tell = tell
        self._clock = clock
        self._away_until: float | None = None

    def write(self, update: HotStateUpdate) -> None:
        """Write it, unless Redis was away within the last AWAY_S; what is not written is left to the sweeper."""
        if self._away_until is not None and self._clock() < self._away_until:
            return
        if leave_while_away(lambda: write_hot_state(update), self._why_away, to="the sweeper"):
            if self._away_until is not None:
                self._tell("Redis is back")
            self._away_until = None

    def _why_away(self, error: Exception) -> str | None:
        if isinstance(error, RedisError):
            if self._away_until is None:
                self._tell(f"Redis is away ({error}); what it is to hold is written later, by the sweeper")
            self._away_until = self._clock() + AWAY_S
        return why_redis_is_away(error)
