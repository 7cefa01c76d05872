"""How often the same thing is said again: each time after twice as long."""

from __future__ import annotations

from collections.abc import Hashable


class GrowingPause:
    """Pauses by subject, each twice as long as the one before. Times are the caller's, in seconds.

    A subject that was not asked for during a whole pause more begins anew.
    """

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s, self._longest_s = first_s, longest_s
        self._pauses: dict[Hashable, tuple[float, float]] = {}  # begin and length

    def is_over(self, subject: Hashable, now: float) -> bool:
        """Whether it is the first time, or the pause is over; the next one begins then."""
        begin, length = self._pauses.get(subject, (float("-inf"), self._first_s))
        if now < begin + length:
            return False
        is_anew = now > begin + 2 * length
        self._pauses[subject] = (now, self._first_s if is_anew else min(self._longest_s, length * 2))
        return True
