"""What the two stages behind the reading of a file do with a batch of lines.

Postgres is waited for; Redis is not: what it was not told stands in the outbox, and the sweeper tells it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ingest.files.apply.batches import Batch
from ingest.files.apply.hot_state_writer import HotStateWriter
from processing.domain.away import StoppedError
from processing.domain.outcomes import BatchResult
from processing.domain.tally import DUPLICATE, SKIPPED
from processing.engine import after_commit, failing_kinds
from processing.engine.process_batch import process_batch
from processing.engine.release import ReadyLanes
from processing.engine.stages import Stages
from processing.postgres import imports
from processing.postgres.transaction import retry_transient, transaction

QUEUED = 1  # batches between two stages: more take memory and are no quicker
OFFER_S = 0.2


@dataclass
class Counts:
    """What became of a run's lines so far. `new` ones are in the inbox for the first time."""

    new: int = 0
    known: int = 0
    skipped: int = 0


class Applier:
    """Takes batches by `offer`, until `finish`, which must come.

    `advance` is called with the bytes of the file that are done, `tell` with a text. `stop` ends the run at the next
    border of a batch.
    """

    def __init__(
        self, run: int, stop: threading.Event, *, advance: Callable[[int], object], tell: Callable[[str], object]
    ) -> None:
        self.counts = Counts()
        self._run = run
        self._stop = stop
        self._advance = advance
        self._hot_state = HotStateWriter(tell)
        self._window = failing_kinds.new_window()
        self._stages: Stages[Batch] = Stages(
            commit=self._commit,
            between=lambda: (),
            more=lambda: False,
            slow=lambda batch: None,  # its lines are not marked as in flight: it would cost as much again
            publish=lambda result: after_commit.publish(result, self._hot_state.write),
            done=self._done,
            stop=stop,
            queued=QUEUED,
        )
        self._stages.start()

    def offer(self, batch: Batch) -> bool:
        """Hand over a batch, as soon as there is room; False when the run is to stop."""
        while not self._stop.is_set():
            if self._stages.offer(batch, OFFER_S):
                return True
        return False

    def finish(self) -> None:
        """Wait until the stages have done what they were handed, or as much of it as a run that is to stop may do.

        Raises what ended them, `StoppedError` if they were told to stop.
        """
        self._stages.finish()
        if self._stages.failure is not None:
            raise self._stages.failure

    def _commit(self, batch: Batch) -> Iterator[BatchResult]:
        if self._stop.is_set():
            raise StoppedError("stopped")
        if not batch.arrivals:
            return
        result = retry_transient(lambda: self._process(batch), self._stop)
        known = result.count(DUPLICATE)
        self.counts.known += known
        self.counts.new += len(batch.arrivals) - known
        self.counts.skipped += result.count(SKIPPED)
        after_commit.count_failures(self._window, result, self._stop)
        yield result
        yield from self._release(result.ready)

    def _done(self, batch: Batch) -> None:
        self._advance(batch.size)

    def _process(self, batch: Batch) -> BatchResult:
        with transaction():
            result = process_batch(batch.arrivals, [], comes_again=False)
            known = result.count(DUPLICATE)
            imports.heartbeat(self._run, new=len(batch.arrivals) - known, known=known)
        return result

    def _release(self, users: Iterable[str]) -> Iterator[BatchResult]:
        """Release what these users' lanes can; the end of the run leaves them to the sweeper."""
        ready = ReadyLanes(users)
        while ready and not self._stop.is_set():
            result = retry_transient(ready.release, self._stop)
            after_commit.count_failures(self._window, result, self._stop)
            yield result
