"""A process says every few seconds that it goes on, in a thread of its own, whatever its work waits for; and ends the
sessions that stand still with their locks: its work, or the row it writes itself, may wait for them."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from multiprocessing import util

import psycopg
import structlog
from django.db import Error

from processing import VERSION
from processing.domain.process import Partitions, done, last_error, role
from processing.postgres import processes
from processing.postgres.standstill import end_standing_sessions
from processing.postgres.transaction import close_connection

EVERY_S = 3.0
END_WITHIN_S = 3.0
FIRST = 10  # of the exit's finalizers: while threads still run

log = structlog.get_logger(__name__)


class Heartbeat:
    """From `start` on; `end` says that the process ends in order. Without it, it is known as silent."""

    def __init__(self, partitions: Partitions = lambda: ()) -> None:
        self._partitions = partitions
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._id: int | None = None
        self._done, self._at = done(), time.monotonic()
        self._told = False

    def start(self) -> Heartbeat:
        self._thread.start()
        return self

    def end(self) -> None:
        """Waits for the row, if Postgres is there."""
        self._end.set()
        self._thread.join(END_WITHIN_S)

    def end_with_process(self) -> Heartbeat:
        """Also one that `multiprocessing` made, for which Python calls no `atexit`."""
        util.Finalize(None, self.end, exitpriority=FIRST)
        return self

    def _run(self) -> None:
        while not self._end.is_set():
            self._unless_away(self._beat)
            self._end.wait(EVERY_S)
        self._unless_away(self._say_end)

    def _unless_away(self, work: Callable[[], None]) -> None:
        """Also a missing migration is nothing to end for."""
        try:
            work()
            self._told = False
        except (psycopg.Error, Error) as error:
            if not self._told:
                log.warning("a heartbeat failed", error=" ".join(str(error).split()))
            self._told = True
        finally:
            close_connection()

    def _beat(self) -> None:
        for each in end_standing_sessions():
            log.warning("ended a session that stood still in the middle of a statement", pid=each.pid, s=each.seconds)
        now, number = time.monotonic(), done()
        rate = (number - self._done) / max(now - self._at, 1e-3)
        self._done, self._at = number, now
        if self._id is None or not processes.heartbeat(self._id, rate, self._partitions(), last_error()):
            self._id = processes.start_process(role(), socket.gethostname(), os.getpid(), VERSION)

    def _say_end(self) -> None:
        if self._id is not None:
            processes.end_process(self._id)
