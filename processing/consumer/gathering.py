"""How long a poll gathers messages behind the first: few of them wait for milliseconds only, many come in batches worth
their cost."""

from __future__ import annotations

LEAST_S = 0.002
MOST_S = 0.05
FULL_RATE = 10_000.0  # messages a second from which on MOST_S is gathered


def gather_s(messages: int, seconds: float) -> float:
    """For the next poll, when this one took so many messages in so many seconds, the wait for the first included.

    By the square of their rate: a thousand a second do not fill the time that their transactions take, and wait least.
    """
    share = messages / max(seconds, LEAST_S) / FULL_RATE
    return min(MOST_S, max(LEAST_S, MOST_S * share**2))
