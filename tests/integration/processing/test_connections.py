"""The connections of a process: never more than it may have, and none that nobody needs."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import psycopg
import pytest

from processing.postgres.backend.pool import Connection, NoneFree, Pool

LIMIT = 5
WAIT_S = 30.0
NEVER_S = 3_600.0


@pytest.fixture
def name() -> str:
    return f"pool-{uuid4().hex[:8]}"


@pytest.fixture
def connect(server_url: str, name: str) -> Callable[[], Connection]:
    return lambda: psycopg.connect(server_url, application_name=name, autocommit=True)


@pytest.fixture
def count(server_url: str, name: str) -> Iterator[Callable[[], int]]:
    """How many connections the server has of this test's."""
    with psycopg.connect(server_url, autocommit=True) as session:

        def ask() -> int:
            found = session.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", [name])
            row = found.fetchone()
            assert row is not None
            return int(row[0])

        yield ask


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_many_threads_share_a_few_connections(connect: Callable[[], Connection], count: Callable[[], int]) -> None:
    pool = Pool(LIMIT, wait_s=WAIT_S, idle_s=NEVER_S)  # the server goes on counting one for a moment after its end
    seen: list[int] = []

    def read(number: int) -> None:
        connection = pool.take(connect)
        connection.execute("SELECT pg_sleep(0.001)")
        seen.append(count_now() if number % 20 == 0 else 0)
        pool.give_back(connection, reusable=True)

    lock = threading.Lock()

    def count_now() -> int:
        with lock:
            return count()

    with ThreadPoolExecutor(140) as threads:
        list(threads.map(read, range(140)))
    assert 0 < max(seen) <= LIMIT
    pool.close_idle()


def test_idle_ones_are_closed_though_nobody_asks_for_another(
    connect: Callable[[], Connection], count: Callable[[], int]
) -> None:
    pool = Pool(LIMIT, wait_s=WAIT_S, idle_s=0.05)
    for _ in range(2):  # the thread that closes them ends with the last one
        connection = pool.take(connect)
        assert count() == 1
        pool.give_back(connection, reusable=True)
        wait_until(lambda: count() == 0)


def test_over_the_limit_one_waits_shortly(connect: Callable[[], Connection]) -> None:
    pool = Pool(LIMIT, wait_s=0.05)
    taken = [pool.take(connect) for _ in range(LIMIT)]
    with pytest.raises(NoneFree, match="DATABASE_MAX_CONNECTIONS=5"):
        pool.take(connect)
    with ThreadPoolExecutor(1) as other:
        pool = Pool(1, wait_s=WAIT_S)
        pool.give_back(first := pool.take(connect), reusable=True)
        assert pool.take(connect) is first
        waiting = other.submit(pool.take, connect)
        pool.give_back(first, reusable=True)
        assert waiting.result() is first
    for connection in [*taken, first]:
        connection.close()


def test_a_failure_to_connect_takes_no_place(connect: Callable[[], Connection]) -> None:
    def fail() -> Connection:
        raise psycopg.OperationalError("refused")

    pool = Pool(1, wait_s=0.05)
    for _ in range(3):
        with pytest.raises(psycopg.OperationalError, match="refused"):
            pool.take(fail)
    pool.take(connect).close()


def test_a_connection_that_the_server_closed_is_not_handed_out(
    connect: Callable[[], Connection], server_url: str, count: Callable[[], int]
) -> None:
    pool = Pool(1, idle_s=NEVER_S)
    cut = pool.take(connect)
    pool.give_back(cut, reusable=True)
    with psycopg.connect(server_url, autocommit=True) as session:
        session.execute("SELECT pg_terminate_backend(%s)", [cut.info.backend_pid])
    wait_until(lambda: count() == 0)
    connection = pool.take(connect)
    assert connection.execute("SELECT 1").fetchone() == (1,)
    connection.close()


def test_what_is_in_a_transaction_is_closed(connect: Callable[[], Connection], count: Callable[[], int]) -> None:
    pool = Pool(1, idle_s=NEVER_S)
    for reusable, statement in ((True, "BEGIN"), (False, "SELECT 1")):
        connection = pool.take(connect)
        connection.execute(statement)
        pool.give_back(connection, reusable=reusable)
        assert connection.closed
    pool.take(connect).close()


@pytest.mark.filterwarnings("ignore:.*was deleted while still open:ResourceWarning")
def test_a_thread_that_ends_with_its_connection_leaves_no_gap(
    connect: Callable[[], Connection], count: Callable[[], int]
) -> None:
    pool = Pool(1, wait_s=WAIT_S)
    for _ in range(3):
        thread = threading.Thread(target=pool.take, args=(connect,))
        thread.start()
        thread.join()
        gc.collect()
        wait_until(lambda: count() == 0)
    pool.take(connect).close()
