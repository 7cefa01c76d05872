"""The consumer's two stages: one commits a batch to Postgres, releases ready lanes and passes gaps, one publishes.

A stage that cannot reach its service waits for it; the poll goes on meanwhile and stays in the group.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator

import structlog
from django.conf import settings

from processing import metrics
from processing.consumer.added_partitions import AddedPartitions
from processing.consumer.batch import Batch
from processing.consumer.gaps import AskEnd, passable
from processing.consumer.partitions import Partitions
from processing.domain.away import retry_while_away
from processing.domain.outcomes import BatchResult
from processing.engine import after_commit, failing_kinds, release
from processing.engine.process_batch import process_batch
from processing.engine.set_aside import Tender
from processing.engine.stages import IDLE_S, Stages
from processing.hot_state.write import mark_in_flight
from processing.postgres.due import find_gaps
from processing.postgres.log_positions import Moves, transaction_moving
from processing.postgres.transaction import retry_transient

QUEUED = 2  # batches between two stages; bounds memory
DRAIN_S = 0.1  # between two batches, what waited for its kind runs for so long

log = structlog.get_logger(__name__)


class Processor:
    """The stages behind the poll. A batch is done, and its positions with it, once its hot state is written."""

    def __init__(self, partitions: Partitions, ask_end: AskEnd, added: AddedPartitions, stop: threading.Event) -> None:
        self._partitions = partitions
        self._ask_end = ask_end
        self._added = added
        self._stop = stop
        self._window = failing_kinds.new_window()
        self._tender = Tender(stop)
        self._next_gap_check = 0.0
        self.stages: Stages[Batch] = Stages(
            commit=self._commit, between=self._between, publish=self._publish, done=_done, stop=stop, queued=QUEUED
        )

    # --- the commit stage ---

    def _commit(self, batch: Batch) -> Iterator[BatchResult]:
        batch = batch.without_revoked()
        moves = batch.moves()
        if batch:
            started = time.perf_counter()
            ids = [arrival.event.id for arrival in batch.arrivals]
            retry_while_away(lambda: mark_in_flight(ids), after_commit.why_redis_is_away, stop=self._stop)
            result = retry_transient(lambda: process_batch(batch.arrivals, batch.poisons, moves=moves), self._stop)
            _note_stored(batch)
            self._count_failures(result)
            ms = round((time.perf_counter() - started) * 1000)
            log.info("stored a batch", events=len(batch), ms=ms, **_counted(result))
            yield result
            yield from self._release(result.ready)
        else:  # the end of a partition, which may stand behind markers and aborted messages
            if moves:
                retry_transient(lambda: _store(moves), self._stop)
            _note_stored(batch)

    def _between(self) -> Iterator[BatchResult]:
        yield from self._tend_kinds()
        yield from self._pass_gaps()

    def _tend_kinds(self) -> Iterator[BatchResult]:
        """Probe kinds that are stopped, and drain those that may go on, for a moment."""
        for result in self._tender.tend(DRAIN_S):
            self._count_failures(result)
            _counted(result)
            yield result
            yield from self._release(result.ready)

    def _release(self, users: Iterable[str]) -> Iterator[BatchResult]:
        for result in release.release_ready(users, self._stop):
            self._count_failures(result)
            log.info("released from lanes", **_counted(result))
            yield result

    def _pass_gaps(self) -> Iterator[BatchResult]:
        started = time.monotonic()
        if started < self._next_gap_check:
            return
        passed = retry_transient(self._passed_gaps, self._stop)
        if passed:
            log.warning("gave up on missing seqs: their events did not come in time", lanes=len(passed))
            yield from self._release(passed)
        # many waiting lanes must not take the stage's time
        self._next_gap_check = time.monotonic() + max(IDLE_S, 10 * (time.monotonic() - started))

    def _passed_gaps(self) -> set[str]:
        timeout_ms = settings.SEQUENCE_GAP_TIMEOUT_MS
        gaps = find_gaps(timeout_ms, self._partitions.assigned())
        can_be = passable(
            gaps, self._partitions, timeout_s=timeout_ms / 1000, ask_end=self._ask_end, now=time.monotonic()
        )
        if can_be and not self._added.any_unread():
            return release.pass_gaps(can_be)
        self._added.look_again()
        return set()

    def _count_failures(self, result: BatchResult) -> None:
        after_commit.count_failures(self._window, result, self._stop)

    # --- the publish stage ---

    def _publish(self, result: BatchResult) -> None:
        after_commit.publish(result, lambda update: after_commit.wait_for_redis(update, self._stop))


def _counted(result: BatchResult) -> dict[str, int]:
    """Its counts, which the metrics have then."""
    counts = result.counts()
    metrics.count_events(counts)
    return counts


def _store(moves: Moves) -> None:
    with transaction_moving(moves):
        pass


def _note_stored(batch: Batch) -> None:
    for partition, position in batch.positions.items():
        partition.stored = position


def _done(batch: Batch) -> None:
    for partition, position in batch.positions.items():
        partition.done = position
