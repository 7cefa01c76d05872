"""Effects run: the worker claims tasks that are due, calls each, and records what came of it.

No transaction is open while a task runs. A crash between a task and its record runs it again, under the same token.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import Any

from celery import current_app

from processing.domain.effects import After, find_after
from processing.domain.failures import NO_FAILURE, Failure, cause_of, message_of, traceback_of
from processing.domain.validate import decoded
from processing.engine import enqueue
from processing.engine.failure_log import tell_failure
from processing.engine.handlers import retry_policy
from processing.metrics import EFFECTS
from processing.postgres import effects
from processing.postgres.effects import Claimed
from processing.postgres.errors import is_transient

AT_ONCE = 2  # threads of a worker: slow tasks must not keep retries of handlers from theirs
MOST_CLAIMED = 10  # at once, where tasks are quick
MOST_LOOKED_AT = 500  # where all that were had to wait for earlier ones, of which there may be a crowd
HAND_S = 1.0  # what was claimed so long ago is given back, so that no lease ends before its task begins
TURN_S = 2.0

_running = BoundedSemaphore(AT_ONCE)


class NotKnownError(Exception):
    """The event, or the task, is not known any more."""


@dataclass(frozen=True)
class Ended:
    """What became of a task that was run: done, failed, or to be tried again in so many milliseconds."""

    effect: Claimed
    failure: Failure | None = None
    retry_in_ms: int | None = None

    @property
    def became(self) -> str:
        if self.failure is None:
            return "done"
        return "failed" if self.retry_in_ms is None else "retrying"


def run_effects() -> int:
    """Run what is due, for TURN_S at most; a message for the rest. Returns how many were run."""
    if not _running.acquire(blocking=False):
        return 0  # those that run go on until nothing is due
    try:
        run, until = 0, time.monotonic() + TURN_S
        with closing(run_due_effects()) as turns:
            for ended in turns:
                run += 1
                _tell(ended)
                if time.monotonic() >= until:
                    enqueue.enqueue_effects(1)
                    break
        return run
    finally:
        _running.release()


def _tell(ended: Ended) -> None:
    effect, failure = ended.effect, ended.failure
    EFFECTS.labels(effect.name, ended.became).inc()
    if failure is not None:
        attempt = effect.attempts + 1
        tell_failure(
            failure, "a task failed", task=effect.name, id=effect.event_id, attempt=attempt, becomes=ended.became
        )
    if ended.retry_in_ms is not None:
        enqueue.enqueue_effects(1, ended.retry_in_ms / 1000)


def run_due_effects() -> Generator[Ended]:
    """Each as soon as it is recorded; the caller may stop at any of them."""
    size = 1
    while (claimed := effects.claim(size)) is not None:
        began = time.monotonic()
        left = list(claimed)
        try:
            while left and time.monotonic() - began < HAND_S:
                yield _run(left.pop(0))
        finally:
            if left:
                effects.put_off(left, 0)
        size = (1 if left else min(2 * size, MOST_CLAIMED)) if claimed else MOST_LOOKED_AT


def _run(effect: Claimed) -> Ended:
    try:
        _call(effect)
    except NO_FAILURE:
        raise
    except BaseException as error:  # noqa: BLE001 - it is a task's failure, and recorded
        policy = retry_policy()
        failure = Failure(cause_of(error), message_of(error), traceback_of(error))
        if is_transient(error):  # the database's state, no failure of the task
            return _put_off(Ended(effect, failure, policy.delay_ms(1)), tries=0)
        limit = effect.attempt_limit or policy.attempt_limit()
        if effect.attempts + 1 >= limit:
            effects.end_failed(effect, _text(failure))
            return Ended(effect, failure)
        failures = max(1, effect.attempts + 1 - (limit - policy.attempt_limit()))
        return _put_off(Ended(effect, failure, policy.delay_ms(failures)), tries=1)
    effects.end_done([effect.id])
    return Ended(effect)


def _put_off(ended: Ended, tries: int) -> Ended:
    assert ended.failure is not None
    assert ended.retry_in_ms is not None
    effects.put_off([ended.effect], ended.retry_in_ms, error=_text(ended.failure), tries=tries)
    return ended


def _text(failure: Failure) -> str:
    return f"{failure.text}, at {failure.cause.place}" if failure.cause.place else failure.text


def _call(effect: Claimed) -> None:
    if effect.event is None:
        raise NotKnownError("the inbox keeps the payload of its event no longer")
    declared = next((each for each in find_after(effect.event) if each.name == effect.name), None)
    if declared is None:
        raise NotKnownError(f"no @after names {effect.name} for such an event any more: declare it, or discard this")
    _task_of(declared)(decoded(effect.event), token=effect.token)


def _task_of(declared: After) -> Callable[..., Any]:
    if not isinstance(declared.task, str):
        return declared.task
    task: Callable[..., Any] | None = current_app.tasks.get(declared.task)
    if task is None:
        raise NotKnownError(f"Celery has no task {declared.task!r}: import its module in the worker")
    return task
