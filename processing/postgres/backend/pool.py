"""The connections of one process to a database: never more than so many, and those that nobody needs are closed.

A thread that needs one gets an idle one, or a new one; where the process has as many as it may, it waits a little.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any
from weakref import WeakKeyDictionary, finalize

import psycopg
from psycopg.pq import TransactionStatus

LIMIT = 20
WAIT_S = 1.0
IDLE_S = 5.0

Connection = psycopg.Connection[Any]


class NoneFree(psycopg.OperationalError):
    """All connections that the process may have are in use."""


class Pool:
    """For any thread. `idle_s`: so long a connection is kept for the next who needs one; 0: not at all."""

    def __init__(self, limit: int, wait_s: float = WAIT_S, idle_s: float = IDLE_S) -> None:
        self._limit = limit
        self._wait_s = wait_s
        self._idle_s = idle_s
        # Its `put` may be called at any moment, as by the garbage collector: a semaphore's `release` may not.
        self._places: SimpleQueue[None] = SimpleQueue()
        for _ in range(limit):
            self._places.put(None)
        self._taken: WeakKeyDictionary[Connection, finalize[..., Connection]] = WeakKeyDictionary()
        self._idle: deque[tuple[float, Connection]] = deque()  # since when (time.monotonic()), the longest first
        self._lock = threading.Lock()
        self._closer: threading.Thread | None = None

    def take(self, connect: Callable[[], Connection]) -> Connection:
        """An idle connection, else what `connect` returns. Raises `NoneFree`, and what `connect` raises."""
        try:
            self._places.get(timeout=self._wait_s)
        except Empty:
            text = f"all connections of this process are in use (DATABASE_MAX_CONNECTIONS={self._limit})"
            raise NoneFree(text) from None
        try:
            connection = self._take_idle() or connect()
        except BaseException:  # Ctrl-C too: raised again, and the place must not be lost with it
            self._places.put(None)
            raise
        # A thread that ends without giving it back leaves it to the garbage collector, which closes it.
        self._taken[connection] = finalize(connection, self._places.put, None)
        return connection

    def give_back(self, connection: Connection, *, reusable: bool) -> None:
        """The caller does not use it any more. One that is not reusable, or is in a transaction, is closed."""
        taken = self._taken.pop(connection, None)
        try:
            if self._idle_s and reusable and taken is not None and is_idle(connection):
                self._keep(connection)
            else:
                connection.close()
        finally:
            if taken is not None and taken.detach():
                self._places.put(None)

    def close_idle(self) -> None:
        """All of them, now."""
        with self._lock:
            idle, self._idle = self._idle, deque()
        for _, connection in idle:
            connection.close()

    def _take_idle(self) -> Connection | None:
        while True:
            with self._lock:
                if not self._idle:
                    return None
                _, connection = self._idle.pop()
            if is_usable(connection):
                return connection
            connection.close()

    def _keep(self, connection: Connection) -> None:
        with self._lock:
            self._idle.append((time.monotonic(), connection))
            if self._closer is None:
                self._closer = threading.Thread(target=self._close_idle, name="idle connections", daemon=True)
                self._closer.start()

    def _close_idle(self) -> None:
        """Until there is none left."""
        while True:
            with self._lock:
                if not self._idle:
                    self._closer = None
                    return
                since, connection = self._idle[0]
                left_s = since + self._idle_s - time.monotonic()
                if left_s <= 0:
                    self._idle.popleft()
            if left_s > 0:
                time.sleep(left_s)
            else:
                connection.close()


def is_idle(connection: Connection) -> bool:
    return connection.pgconn.transaction_status == TransactionStatus.IDLE


def is_usable(connection: Connection) -> bool:
    """Whether an idle connection still stands: a server that speaks unasked is closing it, or has."""
    if not is_idle(connection):
        return False
    unasked = select.poll()
    unasked.register(connection.pgconn.socket, select.POLLIN)
    return not unasked.poll(0)


def pool_of(alias: str, limit: int, idle_s: float) -> Pool:
    """This process's."""
    pool = _pools.get(alias)
    return pool if pool is not None else _pools.setdefault(alias, Pool(limit, idle_s=idle_s))


_pools: dict[str, Pool] = {}
os.register_at_fork(after_in_child=_pools.clear)  # its connections are the parent's
