from __future__ import annotations

from threading import Lock

from redis import RedisError

from processing.domain.outcomes import BatchResult
from processing.engine import circuit_breaker, enqueue
from processing.engine.release import log
from processing.hot_state.write import write_hot_state


def after_commit(settled: BatchResult) -> int:
    """What follows a transaction: hot state, hints, the breaker's count. Returns how many events had their turn."""
    try:
        write_hot_state(settled)
    except RedisError as error:
        log.warning("Redis is away; a sweep will write this hot state from the outbox", error=str(error))
    enqueue.enqueue_retries(settled.retries)
    with _counting:
        circuit_breaker.observe(_window, settled)
    return len(settled.outcomes)


_window = circuit_breaker.new_window()  # of this process, whose tasks run in threads
_counting = Lock()
