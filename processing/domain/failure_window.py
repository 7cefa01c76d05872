"""Whether handlers keep failing: a pure decision over the last of their runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from processing.domain.outcomes import Outcome
from processing.domain.statuses import Status


@dataclass
class FailureWindow:
    """The last handler runs of this process. Injected failures and events without a family do not count.

    `limit_in_a_row` and `limit_percent` (of `size` runs); 0 turns a limit off.
    """

    limit_in_a_row: int
    limit_percent: int
    size: int
    in_a_row: int = 0
    recent: deque[bool] = field(default_factory=deque)

    def observe(self, outcomes: Iterable[Outcome]) -> str | None:
        """Count these; returns why the intake is to stop, if it is."""
        longest = self.in_a_row
        for outcome in outcomes:
            if not outcome.event.family or outcome.injected or outcome.status is Status.HELD:
                continue
            failed = outcome.error is not None
            self.in_a_row = self.in_a_row + 1 if failed else 0
            longest = max(longest, self.in_a_row)
            self.recent.append(failed)
        while len(self.recent) > self.size:
            self.recent.popleft()
        failures = sum(self.recent)
        if 0 < self.limit_in_a_row <= longest:
            return f"{longest} handler runs failed in a row (limit {self.limit_in_a_row}, FAILURE_LIMIT_IN_A_ROW)"
        if self.limit_percent and self.size and failures * 100 >= self.limit_percent * self.size:
            return (
                f"{failures} of the last {len(self.recent)} handler runs failed (limit {self.limit_percent} % of "
                f"{self.size}, FAILURE_LIMIT_PERCENT and FAILURE_WINDOW)"
            )
        return None

    def forget(self) -> None:
        self.in_a_row = 0
        self.recent.clear()
