"""The consumer's two stages: one commits a batch to Postgres, releases ready lanes and passes gaps, one publishes.

Lanes get their turns between batches, a transaction at a time: a lane in which much waits, or a crowd of lanes, holds
up nobody for longer. A stage that cannot reach its service waits for it; the poll goes on and stays in the group.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import structlog

from processing.consumer.added_partitions import AddedPartitions
from processing.consumer.batch import Batch
from processing.consumer.gaps import AskEnd, GapRounds, pause_s
from processing.consumer.partitions import Partitions
from processing.domain.outcomes import BatchResult
from processing.domain.tally import DUPLICATE, HELD, PASSED
from processing.engine import after_commit, failing_kinds
from processing.engine.in_flight import BatchMarks
from processing.engine.process_batch import process_batch
from processing.engine.release import ReadyLanes
from processing.engine.set_aside import Tender
from processing.engine.stages import Stages
from processing.postgres.log_positions import Moves, transaction_moving
from processing.postgres.transaction import retry_transient

QUEUED = 2  # batches between two stages; bounds memory
DRAIN_S = 0.1  # between two batches, what waited for its kind runs for so long

log = structlog.get_logger(__name__)


class Processor:
    """The stages behind the poll. A batch is done, and its positions with it, once its hot state is written."""

    def __init__(self, partitions: Partitions, ask_end: AskEnd, added: AddedPartitions, stop: threading.Event) -> None:
        self._stop = stop
        self._window = failing_kinds.new_window()
        self._tender = Tender(stop)
        self._gaps = GapRounds(partitions, ask_end, added)
        self._next_look = self._next_begin = 0.0
        self._ready = ReadyLanes()
        self._marks = BatchMarks()
        self.stages: Stages[Batch] = Stages(
            commit=self._commit,
            between=self._between,
            more=lambda: bool(self._ready),
            slow=lambda batch: self._marks.set(batch.ids()),
            publish=self._publish,
            done=_done,
            stop=stop,
            queued=QUEUED,
        )

    # --- the commit stage ---

    def _commit(self, batch: Batch) -> Iterator[BatchResult]:
        batch = batch.without_revoked()
        moves = batch.moves()
        if batch:
            started = time.perf_counter()
            result = retry_transient(lambda: process_batch(batch.arrivals, batch.poisons, moves=moves), self._stop)
            _note_stored(batch)
            if result.count(HELD) or result.count(DUPLICATE):  # which may be held since a commit whose answer was lost
                self._gaps.note_held(batch)
            ms = round((time.perf_counter() - started) * 1000)
            log.info("stored a batch", events=len(batch), ms=ms, **result.counts())
            yield self._noted(result)
        else:  # the end of a partition, which may stand behind markers and aborted messages
            if moves:
                retry_transient(lambda: _store(moves), self._stop)
            _note_stored(batch)

    def _between(self) -> Iterator[BatchResult]:
        for result in self._tender.tend(DRAIN_S):  # probes and drains kinds that are set aside
            yield self._noted(result)
        self._look_for_gaps()
        if self._ready:
            result = retry_transient(self._ready.release, self._stop)
            log.info("released from lanes", **result.counts(), passed_gaps=result.count(PASSED))
            yield self._noted(result)

    def _look_for_gaps(self) -> None:
        """Rounds begin between two looks too: what was in the log then is mostly stored by the next one."""
        now = time.monotonic()
        if now >= self._next_look:
            found = retry_transient(lambda: self._gaps.look(now, self._ready.passable()), self._stop)
            if found:
                log.warning("gives up on missing seqs: their events did not come in time", lanes=len(found))
                self._ready.add_passable(found)
            self._next_look = time.monotonic() + pause_s()
        elif now >= self._next_begin:
            retry_transient(lambda: self._gaps.begin(now), self._stop)
        else:
            return
        self._next_begin = time.monotonic() + pause_s() / 2

    def _noted(self, result: BatchResult) -> BatchResult:
        """Its outcomes and failures are counted, and the lanes that it made ready get their turn."""
        after_commit.count_failures(self._window, result, self._stop)
        self._ready.add(result.ready)
        return result

    # --- the publish stage ---

    def _publish(self, result: BatchResult) -> None:
        result = self._marks.taken_back_by(result)
        after_commit.publish(result, lambda update: after_commit.wait_for_redis(update, self._stop))


def _store(moves: Moves) -> None:
    with transaction_moving(moves):
        pass


def _note_stored(batch: Batch) -> None:
    for partition, position in batch.positions.items():
        partition.stored = position


def _done(batch: Batch) -> None:
    for partition, position in batch.positions.items():
        partition.done = position
