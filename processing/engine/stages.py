"""Two stages, each a thread, so that consecutive pieces of work overlap: one commits, the other publishes.

The caller gives each stage its function. The pair, used by the consumer and by import runs, has bounded queues, keeps
results in order, finishes the work in hand at its end, and ends when one of the two fails.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Generic, TypeVar

import structlog

from processing.domain.away import StoppedError
from processing.domain.failures import cause_of
from processing.domain.outcomes import BatchResult
from processing.domain.process import note_error
from processing.postgres.transaction import close_connection

IDLE_S = 0.2
PUT_S = 0.2
SLOW_S = 0.25
SLOW_AGAIN_S = 10.0
STEPS = 3  # of a piece of work, for the publish stage: with room for fewer the commit of the next would wait for it

T = TypeVar("T")
W = TypeVar("W")

log = structlog.get_logger(__name__)


@dataclass(eq=False)
class _Begun(Generic[W]):
    """Work that the commit stage has begun. Only the publish stage changes when it counts as slow."""

    work: W
    slow_at: float

    def left_s(self) -> float:
        return max(0.0, self.slow_at - time.monotonic())

    def through(self, step: Callable[[], None]) -> None:
        """Its first transaction is committed: from here on it is never slow."""
        self.slow_at = math.inf
        step()


class Stages(Generic[W]):
    """Takes work by `offer`, once started, until `finish`.

    `commit` yields the result of each transaction that a piece of work takes, as soon as it is committed; `between`
    does the same before each piece and, when there is none, every IDLE_S, or at once while there is `more` for it.
    `publish` is called with each result, in order, in the other thread; so is `slow`, with work whose first transaction
    takes longer than SLOW_S, and again every SLOW_AGAIN_S; `done` with the work, once its first result is
    published: what it yields after that had waited in Postgres, and no redelivery would bring it.

    `failure` is what ended a stage before its time; `stop` is set then, and the other stage ends too: what is committed
    by then is published if it still can be, nothing more is committed. `stop` alone ends stages that have no work.
    """

    def __init__(
        self,
        *,
        commit: Callable[[W], Iterable[BatchResult]],
        between: Callable[[], Iterable[BatchResult]],
        more: Callable[[], bool],
        slow: Callable[[W], None],
        publish: Callable[[BatchResult], None],
        done: Callable[[W], None],
        stop: threading.Event,
        queued: int,
    ) -> None:
        self.failure: BaseException | None = None
        self._commit = commit
        self._between = between
        self._more = more
        self._slow = slow
        self._publish = publish
        self._done = done
        self._stop = stop
        self._work: queue.Queue[W | None] = queue.Queue(queued)
        self._results: queue.Queue[Callable[[], None] | None] = queue.Queue(STEPS * queued)
        self._in_hand = 0
        self._begun: _Begun[W] | None = None
        self._lock = threading.Lock()
        self._committing = threading.Thread(target=self._guarded, args=(self._commit_all,), name="commit", daemon=True)
        self._publishing = threading.Thread(
            target=self._guarded, args=(self._publish_all,), name="publish", daemon=True
        )

    def start(self) -> None:
        self._publishing.start()  # first: what is committed needs a reader, or is dropped
        self._committing.start()

    def offer(self, work: W, timeout_s: float) -> bool:
        """Hand over a piece of work; False if there was no room in time."""
        self._count(+1)
        try:
            self._work.put(work, timeout=timeout_s)
        except queue.Full:
            self._count(-1)
            return False
        return True

    def is_free(self) -> bool:
        """Whether the first stage has nothing to do, so that work offered now would begin at once."""
        return self._work.unfinished_tasks == 0

    def is_idle(self) -> bool:
        """Whether all work that was handed over is done."""
        with self._lock:
            return self._in_hand == 0

    def is_through(self) -> bool:
        """Whether that is so, and there is nothing more to do between."""
        return self.is_idle() and not self._more()

    def finish(self, timeout_s: float | None = None) -> None:
        """Let the stages finish what they were handed, for so long at most."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        _put(self._work, None, self._committing, deadline)
        for thread in (self._committing, self._publishing):
            thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))

    def _commit_all(self) -> None:
        try:
            while self.failure is None:
                self._hand_over(self._between())
                try:
                    work = self._work.get(timeout=0 if self._more() else IDLE_S)
                except queue.Empty:
                    if self._stop.is_set():
                        return
                    continue
                if work is None:
                    return
                self._begun = begun = _Begun(work, time.monotonic() + SLOW_S)
                results = iter(self._commit(work))
                for result in islice(results, 1):
                    self._put(partial(begun.through, partial(self._publish, result)))
                self._put(partial(begun.through, partial(self._done, work)))
                self._hand_over(results)
                self._put(partial(self._count, -1))
                self._work.task_done()
        finally:
            self._put(None)

    def _hand_over(self, results: Iterable[BatchResult]) -> None:
        for result in results:
            self._put(partial(self._publish, result))
            if self.failure is not None:  # nobody publishes any more
                return

    def _put(self, step: Callable[[], None] | None) -> None:
        _put(self._results, step, self._publishing, None)

    def _publish_all(self) -> None:
        while (step := self._next_step()) is not None:
            step()

    def _next_step(self) -> Callable[[], None] | None:
        while True:
            begun = self._begun
            with suppress(queue.Empty):
                return self._results.get(timeout=SLOW_S if begun is None else min(SLOW_S, begun.left_s()))
            if begun is not None and not begun.left_s():
                begun.slow_at = time.monotonic() + SLOW_AGAIN_S
                self._slow(begun.work)

    def _count(self, change: int) -> None:
        with self._lock:
            self._in_hand += change

    def _guarded(self, stage: Callable[[], None]) -> None:
        try:
            stage()
        except BaseException as error:  # noqa: BLE001 - whoever waits for the stages raises it
            note_error(cause_of(error))
            self._fail(error)
            self._stop.set()
        finally:
            close_connection()

    def _fail(self, error: BaseException) -> None:
        """Keep the first failure; one that was only told to stop hides no other's."""
        with self._lock:
            first, told_to_stop = self.failure, isinstance(error, StoppedError)
            if first is None or (isinstance(first, StoppedError) and not told_to_stop):
                self.failure = error
            elif not told_to_stop:
                log.error("the other stage failed too", exc_info=error)


def _put(into: queue.Queue[T], item: T, reader: threading.Thread, deadline: float | None) -> None:
    """Put it as soon as there is room, for as long as somebody reads."""
    while reader.is_alive() and (deadline is None or time.monotonic() < deadline):
        with suppress(queue.Full):
            into.put(item, timeout=PUT_S)
            return
