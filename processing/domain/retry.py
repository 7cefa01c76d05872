"""Whether, and when, a failed event is tried again: a pure decision."""

from __future__ import annotations

import random
from dataclasses import dataclass

MAX_DOUBLINGS = 32  # far beyond any cap; keeps the power small


@dataclass(frozen=True)
class RetryPolicy:
    max_retries: int
    backoff_ms: int
    backoff_max_ms: int

    def attempt_limit(self, attempts: int = 0) -> int:
        """The attempts after which an event is failed, given those it had before this set of tries."""
        return attempts + 1 + self.max_retries

    def delay_ms(self, failures: int, jitter: float | None = None) -> int:
        """Milliseconds until the next try after `failures` (≥ 1) in this set of tries.

        Exponential and capped; of it between half and all, by `jitter` in 0…1 (random by default), so that events
        that failed together do not come back together.
        """
        whole = min(self.backoff_max_ms, self.backoff_ms << min(failures - 1, MAX_DOUBLINGS))
        share = random.random() if jitter is None else jitter
        return round(whole * (0.5 + share / 2))
