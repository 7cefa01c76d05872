"""Which held events of a partition have waited long enough, by what was read when and where the log ended since. Pure.

A round takes in all held events that were read at least the timeout ago, and the end of the log at that moment. Once
the partition is stored up to there, every gap before one of them is decided: it can be passed, now or later.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

STEPS = 64  # of a timeout: how finely it is kept when events were read, so that memory is bounded


@dataclass
class Round:
    """Events at offsets lower than `before` were read in time; `end` is where the log ended then.

    A broker may tell an end too low, by less than the last batch of the log (the embedded one does); once that batch
    has been read, its fetch has told the exact end: then it is `confirmed`.
    """

    before: int
    end: int
    confirmed: bool = False

    def is_reached(self, stored: int, fetched_end: int) -> bool:
        if stored < self.end:
            return False
        if not self.confirmed:
            self.end, self.confirmed = max(self.end, fetched_end), True
        return stored >= self.end


class GapWatch:
    """Of one partition, from its assignment on. Offsets are those of the next message; times are seconds of one clock.

    `decided`: gaps before events at lower offsets can be passed; None until the first round is over. `untold_at`: when
    the end of the log was last asked for in vain.
    """

    def __init__(self) -> None:
        self.decided: int | None = None
        self.untold_at = -math.inf
        self._read: deque[tuple[float, int]] = deque()  # when, and up to where
        self._rounds: deque[Round] = deque()

    def note_held(self, read_at: float, position: int, timeout_s: float) -> None:
        """Something up to this position is held, and was read then; for what was held before the partition was taken
        over, that is the moment of taking it over."""
        if len(self._read) > 1 and read_at - self._read[-2][0] < timeout_s / STEPS:
            self._read[-1] = read_at, position
        else:
            self._read.append((read_at, position))

    def is_due(self, now: float, timeout_s: float) -> bool:
        """Whether a round would take in events that none has taken in."""
        return bool(self._read) and self._read[0][0] + timeout_s <= now

    def begin_round(self, now: float, timeout_s: float, end: int) -> None:
        """Begin the round that is due; `end` was asked for at `now` or later."""
        before = 0
        while self.is_due(now, timeout_s):
            _, before = self._read.popleft()
        self._rounds.append(Round(before, end))

    def decide(self, stored: int, fetched_end: int) -> None:
        """End the rounds whose end of the log is stored."""
        while self._rounds and self._rounds[0].is_reached(stored, fetched_end):
            self.decided = self._rounds.popleft().before
