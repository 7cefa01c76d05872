"""The stages behind the reading of a file, each a thread, so that consecutive batches overlap: Postgres, then Redis.

Postgres is waited for; Redis is not: what it was not told stands in the outbox, and a sweep tells it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from django.db import connection

from ingest.files.apply.batches import Batch
from ingest.files.apply.hot_state_writer import HotStateWriter
from processing.domain.outcomes import BatchResult
from processing.engine import circuit_breaker
from processing.engine.process_batch import process_batch
from processing.engine.release import release_next
from processing.postgres import imports
from processing.postgres.transaction import retry_transient, transaction

QUEUED = 1  # batches between two stages: more take memory and are no quicker
POLL_S = 0.2


class BrokenError(Exception):
    """The intake is stopped: handlers keep failing."""


@dataclass
class Counts:
    """What became of a run's lines so far. `new` ones are in the inbox for the first time."""

    new: int = 0
    known: int = 0
    skipped: int = 0


class Stages:
    """Takes batches by `offer`, until `finish`, which must come.

    `advance` is called with the bytes of the file that are done, `tell` with a text.
    """

    def __init__(
        self, run: int, stop: threading.Event, *, advance: Callable[[int], object], tell: Callable[[str], object]
    ) -> None:
        self.counts = Counts()
        self._run = run
        self._stop = stop  # ends the run, at the next border of a batch
        self._advance = advance
        self._hot_state = HotStateWriter(tell)
        self._window = circuit_breaker.new_window()
        self._batches: queue.Queue[Batch | None] = queue.Queue(QUEUED)
        self._writes: queue.Queue[BatchResult | None] = queue.Queue(QUEUED)
        self._pool = ThreadPoolExecutor(2)
        self._writing = self._pool.submit(self._guarded, self._write_all)
        self._storing = self._pool.submit(self._guarded, self._store_all)

    def offer(self, batch: Batch) -> bool:
        """Hand over a batch, as soon as there is room; False when the run is to stop."""
        while not self._stop.is_set():
            try:
                self._batches.put(batch, timeout=POLL_S)
            except queue.Full:
                continue
            return True
        return False

    def finish(self) -> None:
        """Wait until the stages have done what they were handed, or as much of it as a run that is to stop may do.

        Raises what ended them, `StoppedError` if they were told to stop while they waited for Postgres.
        """
        while not self._storing.done():
            with suppress(queue.Full):
                self._batches.put(None, timeout=POLL_S)
                break
        self._pool.shutdown()
        self._storing.result()
        self._writing.result()

    def _guarded(self, stage: Callable[[], None]) -> None:
        try:
            stage()
        except BaseException:  # `finish` tells what it was; the other stages must not wait for this one
            self._stop.set()
            raise
        finally:
            connection.close()

    # --- the Postgres stage ---

    def _store_all(self) -> None:
        try:
            while not self._stop.is_set() and (batch := self._batches.get()) is not None:
                self._check_breaker()
                if batch.arrivals:
                    self._store(batch)
                self._advance(batch.size)
        finally:
            self._hand_on(None)

    def _store(self, batch: Batch) -> None:
        settled = retry_transient(lambda: self._settle(batch), self._stop)
        self.counts.known += settled.known
        self.counts.new += len(batch.arrivals) - settled.known
        self.counts.skipped += settled.skipped
        self._done(settled)
        self._take_turns(settled.ready)

    def _settle(self, batch: Batch) -> BatchResult:
        with transaction():
            settled = process_batch(batch.arrivals, [], comes_again=False)
            imports.heartbeat(self._run, new=len(batch.arrivals) - settled.known, known=settled.known)
        return settled

    def _take_turns(self, users: set[str]) -> None:
        """Release what these users' lanes can; an open breaker, or the end of the run, leaves them to a sweep."""
        while users and not self._stop.is_set() and retry_transient(circuit_breaker.open_reason, self._stop) is None:
            ready = users
            settled, users = retry_transient(lambda: release_next(ready), self._stop)  # noqa: B023 - called at once
            self._done(settled)

    def _done(self, settled: BatchResult) -> None:
        retry_transient(lambda: circuit_breaker.observe(self._window, settled), self._stop)
        self._hand_on(settled)

    def _hand_on(self, settled: BatchResult | None) -> None:
        while not self._writing.done():
            with suppress(queue.Full):
                self._writes.put(settled, timeout=POLL_S)
                return

    def _check_breaker(self) -> None:
        reason = retry_transient(circuit_breaker.open_reason, self._stop)
        if reason is not None:
            raise BrokenError(f"the intake is stopped: {reason}")

    # --- the Redis stage ---

    def _write_all(self) -> None:
        while (settled := self._writes.get()) is not None:
            self._hot_state.write(settled)
