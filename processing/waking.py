"""Give waiting events their turn, from a task, a sweep or an operator's action, and write what came of it."""

from __future__ import annotations

from collections.abc import Collection
from threading import Lock

import structlog
from redis import RedisError

from processing import breaker, hints, hot_state, waiting
from processing.settle import Settled, retry_free, take_turns
from processing.store import raw_cursor

LANES_AT_ONCE = 100

log = structlog.get_logger(__name__)


def wake(ids: Collection[str]) -> int:
    """Try these waiting events, and what waits for them, if their time has come. Returns how many were tried.

    While the breaker is open, retries wait. An id that does not wait any more is none to try.
    """
    if breaker.open_reason() is not None:
        return 0
    users, free = waiting.owners(raw_cursor(), ids)
    tried = 0
    if free:
        with hot_state.marked(sorted(free)):
            tried += finish(retry_free(free))
    return tried + take_all_turns(users)


def take_all_turns(users: Collection[str]) -> int:
    """Turns for these users' lanes until nothing can run any more. Returns how many events had their turn."""
    tried = 0
    while users:
        settled, users = next_turns(users)
        tried += finish(settled)
    return tried


def next_turns(ready: Collection[str]) -> tuple[Settled, set[str]]:
    """One transaction's worth of turns for these users' lanes; returns also the users who still want one."""
    now = sorted(ready)[:LANES_AT_ONCE]
    settled = take_turns(now)
    return settled, set(ready).difference(now) | settled.ready


def finish(settled: Settled) -> int:
    """What follows a transaction: hot state, hints, the breaker's count. Returns how many events had their turn."""
    try:
        hot_state.write(settled)
    except RedisError as error:
        log.warning("Redis is away; a sweep will write this hot state from the outbox", error=str(error))
    hints.send(settled.retries)
    with _counting:
        breaker.observe(_window, settled)
    return len(settled.outcomes)


_window = breaker.new_window()  # of this process, whose tasks run in threads
_counting = Lock()
