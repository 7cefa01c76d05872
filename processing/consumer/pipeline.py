"""The two stages behind the poll, each a thread, so that consecutive batches overlap: Postgres, then Redis.

A stage that cannot reach its service waits for it; the poll goes on meanwhile and keeps the consumer in its group.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import structlog
from django.conf import settings
from django.db import connection
from redis import RedisError

from processing.consumer.batch import Batch, Partition
from processing.consumer.gaps import GapWatch
from processing.domain.outcomes import BatchResult
from processing.domain.statuses import Status
from processing.engine import circuit_breaker, enqueue, probe
from processing.engine.process_batch import process_batch
from processing.engine.release import pass_gaps, release_next
from processing.hot_state.write import mark_in_flight, write_hot_state
from processing.postgres.due import find_gaps
from processing.postgres.transaction import (
    FIRST_WAIT_S,
    LONGEST_WAIT_S,
    StoppedError,
    raw_cursor,
    reset_if_transient,
    retry_transient,
)

QUEUED = 2  # batches between two stages; bounds memory
IDLE_S = 0.2

T = TypeVar("T")
log = structlog.get_logger(__name__)


class Pipeline:
    """Takes batches by `offer`; after a batch's hot state is written its positions are `done`, to be committed."""

    def __init__(self, gaps: GapWatch, stop: threading.Event) -> None:
        self._gaps = gaps
        self._stop = stop
        self._batches: queue.Queue[Batch | None] = queue.Queue(QUEUED)
        self._writes: queue.Queue[tuple[BatchResult, Batch | None] | None] = queue.Queue(QUEUED)
        self._window = circuit_breaker.new_window()
        self._next_gap_check = 0.0
        self._lock = threading.Lock()
        self._pending = 0  # batches offered and not yet through
        self._epochs: dict[Partition, int] = {}
        self._done: dict[Partition, int] = {}
        self.failure: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._guarded, args=(stage,), name=stage.__name__.strip("_"), daemon=True)
            for stage in (self._store_all, self._write_all)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def offer(self, batch: Batch, timeout_s: float) -> bool:
        """Hand over a batch; False if there was no room in time."""
        with self._lock:
            batch.epochs = {partition: self._epochs.get(partition, 0) for partition in batch.positions}
            self._pending += 1
        try:
            self._batches.put(batch, timeout=timeout_s)
        except queue.Full:
            with self._lock:
                self._pending -= 1
            return False
        return True

    def is_empty(self) -> bool:
        with self._lock:
            return self._pending == 0

    def forget(self, partitions: list[Partition]) -> None:
        """These partitions are another's now: what is in hand of them is no longer ours to commit."""
        with self._lock:
            for partition in partitions:
                self._epochs[partition] = self._epochs.get(partition, 0) + 1
                self._done.pop(partition, None)

    def done(self) -> dict[Partition, int]:
        """Positions up to which everything is in Postgres and Redis."""
        with self._lock:
            return dict(self._done)

    def finish(self, timeout_s: float) -> None:
        """Let the stages finish what they were handed."""
        deadline = time.monotonic() + timeout_s
        store = self._threads[0]
        while store.is_alive() and time.monotonic() < deadline:
            with suppress(queue.Full):
                self._batches.put(None, timeout=FIRST_WAIT_S)
                break
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _guarded(self, stage: Callable[[], None]) -> None:
        try:
            stage()
        except StoppedError as stopped:
            log.warning("stopped with work in hand, it will be read again", reason=str(stopped))
        except BaseException as error:
            self.failure = error
            self._stop.set()
            raise
        finally:
            connection.close()

    # --- the Postgres stage ---

    def _store_all(self) -> None:
        try:
            while (batch := self._next_batch()) is not None:
                if batch.positions:
                    self._store(self._still_ours(batch))
                self._pass_gaps()
        finally:
            with suppress(queue.Full):  # then the other stage has stopped too, or is waited for in vain
                self._writes.put(None, timeout=LONGEST_WAIT_S)

    def _next_batch(self) -> Batch | None:
        """The next one in hand, an empty one if there is none, None at the end."""
        self._wait_while_broken()
        try:
            return self._batches.get(timeout=IDLE_S)
        except queue.Empty:
            return Batch()

    def _store(self, batch: Batch) -> None:
        if not batch:
            self._gaps.stored(batch.positions)
            self._writes.put((BatchResult(), batch))
            return
        started = time.perf_counter()
        self._with_redis(lambda: mark_in_flight([arrival.event.id for arrival in batch.arrivals]))
        settled = retry_transient(lambda: process_batch(batch.arrivals, batch.poisons), self._stop)
        self._gaps.stored(batch.positions)
        self._observe(settled)
        _log_batch(batch, settled, time.perf_counter() - started)
        self._writes.put((settled, batch))
        self._take_turns(settled.ready)

    def _take_turns(self, users: set[str]) -> None:
        """Release what these users' lanes can; an open breaker leaves them, as rows, to the sweep after it."""
        while users and retry_transient(circuit_breaker.open_reason, self._stop) is None:
            ready = users
            settled, users = retry_transient(lambda: release_next(ready), self._stop)  # noqa: B023 - called at once
            if settled.outcomes:
                self._observe(settled)
                log.info("released from lanes", **_counts(settled))
                self._writes.put((settled, None))

    def _pass_gaps(self) -> None:
        now = time.monotonic()
        if now < self._next_gap_check:
            return
        passed: set[str] = retry_transient(self._passed_gaps, self._stop)
        if passed:
            log.warning("gave up on missing seqs: their events did not come in time", lanes=len(passed))
            self._take_turns(passed)
        # many lanes that wait must not take the stage's time
        self._next_gap_check = time.monotonic() + max(IDLE_S, 10 * (time.monotonic() - now))

    def _passed_gaps(self) -> set[str]:
        gaps = find_gaps(raw_cursor(), settings.SEQUENCE_GAP_TIMEOUT_MS, self._gaps.owned())
        passable = self._gaps.passable(gaps, time.monotonic())
        return pass_gaps(passable) if passable else set()

    def _wait_while_broken(self) -> None:
        """While the breaker is open nothing new is taken; waiting events are tried, one at a time."""
        while retry_transient(circuit_breaker.open_reason, self._stop) is not None:
            settled = retry_transient(probe.probe, self._stop)
            if settled is not None:
                self._writes.put((settled, None))
            if self._stop.wait(IDLE_S):
                raise StoppedError("stopped while the intake was stopped")

    def _still_ours(self, batch: Batch) -> Batch:
        with self._lock:
            lost = {p for p, epoch in batch.epochs.items() if self._epochs.get(p, 0) != epoch}
        return batch.without(lost) if lost else batch

    def _observe(self, settled: BatchResult) -> None:
        retry_transient(lambda: circuit_breaker.observe(self._window, settled), self._stop)

    # --- the Redis stage ---

    def _write_all(self) -> None:
        while (item := self._writes.get()) is not None:
            self._write(*item)

    def _write(self, settled: BatchResult, batch: Batch | None) -> None:
        if settled.worked or settled.look_up:
            self._with_redis(lambda: write_hot_state(settled))
            enqueue.enqueue_retries(settled.retries)
        if batch is None:
            return
        with self._lock:
            for partition, position in batch.positions.items():
                if batch.epochs.get(partition) == self._epochs.get(partition, 0):
                    self._done[partition] = position
            self._pending -= 1

    def _with_redis(self, work: Callable[[], T]) -> T:
        """Do what needs Redis; while it is away, wait and do it again."""
        wait = FIRST_WAIT_S
        while True:
            try:
                return work()
            except RedisError as error:
                log.warning("Redis is away, waiting for it", error=str(error), wait_s=wait)
            except Exception as error:
                if not reset_if_transient(error):
                    raise
                log.warning("Postgres is not fit, waiting for it", error=str(error).strip(), wait_s=wait)
            if self._stop.wait(wait):
                raise StoppedError("stopped while Redis was away")
            wait = min(LONGEST_WAIT_S, wait * 2)


def _counts(settled: BatchResult) -> dict[str, int]:
    counts = {
        "processed": settled.count(Status.PROCESSED),
        "held": settled.held,
        "retrying": settled.count(Status.RETRYING),
        "failed": settled.count(Status.FAILED),
        "skipped": settled.skipped,
        "poison": settled.poisoned,
        "known": settled.known,
    }
    return {name: count for name, count in counts.items() if count}


def _log_batch(batch: Batch, settled: BatchResult, seconds: float) -> None:
    log.info("stored a batch", events=len(batch), ms=round(seconds * 1000), **_counts(settled))
