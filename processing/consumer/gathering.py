"""How long a poll gathers messages: few of them wait for milliseconds only, many come in batches worth their cost."""

from __future__ import annotations

LEAST_S = 0.005
MOST_S = 0.05  # also while nothing comes: an idle consumer costs next to nothing
FULL_RATE = 10_000.0  # messages a second from which on MOST_S is gathered


def gather_s(before_s: float, messages: int, seconds: float) -> float:
    """For the next poll, when this one was to gather for `before_s` and took so many messages in so many seconds."""
    wanted_s = MOST_S * messages / max(seconds, LEAST_S) / FULL_RATE if messages else before_s * 2
    return min(MOST_S, max(LEAST_S, wanted_s))
