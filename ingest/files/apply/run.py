"""A run over a file: known to Postgres from its start to its end, so that no lane's gap is passed meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

import structlog

from ingest.files.apply.applier import Applier, Counts
from ingest.files.apply.batches import Source, read_batches
from ingest.files.lines import BadLine
from processing.domain.away import StoppedError
from processing.postgres import imports
from processing.postgres.ready import wait_for_migrations
from processing.postgres.transaction import close_connection, reset_if_transient, retry_transient

HEARTBEAT_S = 3.0

log = structlog.get_logger(__name__)


@dataclass
class Report:
    """What became of the lines so far. `waiting` has those of the new lines that are not processed, by status."""

    counts: Counts = field(default_factory=Counts)
    refused: int = 0
    waiting: dict[str, int] = field(default_factory=dict)


@dataclass
class Run:
    """`refuse` is called with each bad line, `advance` with the bytes of the file that are done, `tell` with a text."""

    source: Source
    stop: threading.Event  # ends it at the next border of a batch
    refuse: Callable[[BadLine], object]
    advance: Callable[[int], object]
    tell: Callable[[str], object]
    report: Report = field(default_factory=Report)

    def apply(self, file: BinaryIO) -> None:
        """Apply the file's lines. Raises `StoppedError` if told to stop."""
        wait_for_migrations(self.stop)
        number = retry_transient(lambda: imports.start(self.source.name), self.stop)
        try:
            with _heartbeats(number):
                self._apply(file, number)
            # not if it broke off: its lanes wait a while longer, for a run that brings the rest
            retry_transient(lambda: imports.end(number), self.stop)
        finally:
            self._count_waiting(number)

    def _apply(self, file: BinaryIO, number: int) -> None:
        applier = Applier(number, self.stop, advance=self.advance, tell=self.tell)
        self.report.counts = applier.counts
        try:
            for batch in read_batches(file, self.source, number):
                for bad in batch.bad:
                    self.report.refused += 1
                    self.refuse(bad)
                if not applier.offer(batch):
                    break
        finally:
            applier.finish()
        if self.stop.is_set():
            raise StoppedError("stopped")

    def _count_waiting(self, number: int) -> None:
        try:
            self.report.waiting = retry_transient(lambda: imports.unfinished(number), self.stop)
        except StoppedError:
            log.warning("Postgres was not there to tell how many of the lines wait")
        finally:
            close_connection()


@contextmanager
def _heartbeats(number: int) -> Iterator[None]:
    """During the block the run's row says every few seconds that it goes on, however long a transaction takes."""
    done = threading.Event()
    thread = threading.Thread(target=_keep_beating, args=(number, done), name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _keep_beating(number: int, done: threading.Event) -> None:
    while not done.wait(HEARTBEAT_S):
        try:
            imports.heartbeat(number)
        except Exception as error:  # told, and tried again: it must not end while the run goes on
            if not reset_if_transient(error):
                log.exception("the run could not say that it goes on")
    close_connection()
