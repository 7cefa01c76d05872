"""What follows every commit: tries and failures are told and counted, the hot state is written, retries and effects are
enqueued.

A crash in between loses nothing: a redelivered batch writes its hot state again, the outbox names events that no
redelivery brings, and the sweeper rescues what was not enqueued.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Event as Flag
from threading import Lock

from redis import RedisError

from processing import metrics, tracing
from processing.domain.away import leave_while_away, retry_while_away
from processing.domain.failing_kinds import FailingKinds
from processing.domain.outcomes import BatchResult, HotStateUpdate
from processing.engine import enqueue, failing_kinds
from processing.engine.failure_log import tell_failures
from processing.hot_state.write import write_hot_state
from processing.postgres.transaction import retry_transient, why_postgres_is_away

Publish = Callable[[BatchResult], None]


def after_commit(result: BatchResult) -> int:
    """All of it, at once, in a process whose tasks run in threads. Returns how many events were tried."""
    metrics.count_tally(result.tally)
    tracing.tell_tries(result.outcomes, result.began)
    tell_failures(result.outcomes)
    with _counting:
        failing = _window.observe(result.outcomes)
    failing_kinds.stop(failing)
    publish(result)
    return len(result.outcomes)


def count_failures(window: FailingKinds, result: BatchResult, stop: Flag) -> None:
    """The first part, for callers that publish in another thread: the next batch must find a failing kind stopped."""
    metrics.count_tally(result.tally)
    tracing.tell_tries(result.outcomes, result.began)
    tell_failures(result.outcomes)
    failing = window.observe(result.outcomes)
    if failing:
        retry_transient(lambda: failing_kinds.stop(failing), stop)


def publish(result: BatchResult, write: Callable[[HotStateUpdate], None] | None = None) -> None:
    """The second part. `write` says what is done while Redis is away; by default it is left to the sweeper."""
    if result.hot_state:
        (write or leave_to_sweeper)(result.hot_state)
    enqueue.enqueue_retries(result.retries)
    tasks, follow_ups = result.count_effects()
    if tasks:
        enqueue.enqueue_effects(tasks)
    if follow_ups:
        enqueue.enqueue_follow_ups()


def leave_to_sweeper(update: HotStateUpdate) -> None:
    """Write the hot state; while Redis or Postgres is away, leave it to the sweeper."""
    leave_while_away(lambda: write_hot_state(update), why_redis_is_away, to="the sweeper")


def wait_for_redis(update: HotStateUpdate, stop: Flag) -> None:
    """Write the hot state; while Redis or Postgres is away, wait. Raises `StoppedError`."""
    retry_while_away(lambda: write_hot_state(update), why_redis_is_away, stop=stop)


def why_redis_is_away(error: Exception) -> str | None:
    """A line for the log if one of the two that a hot state is written with, and read from, is away."""
    return "Redis is away" if isinstance(error, RedisError) else why_postgres_is_away(error)


_window = failing_kinds.new_window()
_counting = Lock()
