"""A service that is away: the one loop that waits for it, and the one way to leave work to somebody later.

What counts as away, and for how long it is waited for, are parameters.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event as Flag
from typing import TypeVar

import structlog

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 2.0

T = TypeVar("T")
WhyAway = Callable[[Exception], str | None]  # "Redis is away", for the log; None: the error means something else

log = structlog.get_logger(__name__)


class StoppedError(Exception):
    """The wait for a service was ended; the work is not done, and is to be done later."""


def retry_while_away(
    work: Callable[[], T],
    why_away: WhyAway,
    *,
    stop: Flag | None = None,
    patience_s: float | None = None,
    first_wait_s: float = FIRST_WAIT_S,
) -> T:
    """Do `work`, which can be done again whole; while a service is away, wait and do it again.

    Waits double, up to LONGEST_WAIT_S. Raises `StoppedError` when `stop` is set meanwhile or after `patience_s`, and
    whatever `work` raises that `why_away` does not know.
    """
    flag = stop or Flag()
    deadline = None if patience_s is None else time.monotonic() + patience_s
    wait_s = first_wait_s
    while True:
        try:
            return work()
        except Exception as error:
            reason = why_away(error)
            if reason is None:
                raise
            log.warning(f"{reason}, trying again", error=_line(error), wait_s=wait_s)
            if flag.wait(wait_s) or (deadline is not None and time.monotonic() > deadline):
                raise StoppedError(f"gave up waiting: {reason}") from error
        wait_s = min(LONGEST_WAIT_S, wait_s * 2)


def leave_while_away(work: Callable[[], object], why_away: WhyAway, *, to: str) -> bool:
    """Do `work`, which rows name until it is done; while a service is away, leave it to whoever finds them (`to`, for
    the log). Returns whether it was done. Raises what `work` raises that `why_away` does not know."""
    try:
        work()
    except Exception as error:
        reason = why_away(error)
        if reason is None:
            raise
        log.warning(f"{reason}, {to} will do this", error=_line(error))
        return False
    return True


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
