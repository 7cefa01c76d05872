"""A session whose client stands still in the middle of a statement loses its locks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from time import monotonic, sleep
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction

from processing.background import heartbeat
from processing.background.heartbeat import Heartbeat
from processing.postgres.standstill import end_standing_sessions
from tests.support.locks import somebody_waits_for_a_lock

pytestmark = pytest.mark.django_db(transaction=True)

Session = psycopg.Connection[Any]
SHORT = "100 ms"
LOCK = "SELECT pg_advisory_xact_lock(1)"
WAIT_S = 30.0


def between_two_messages(session: Session) -> None:
    """As where the rest of a large statement is not sent: the server has done one, and reads the next."""
    session.pgconn.enter_pipeline_mode()
    session.pgconn.send_query_params(b"SELECT $1", [b"1"])
    session.pgconn.send_flush_request()
    session.pgconn.flush()


def with_a_result_that_nobody_reads(session: Session) -> None:
    session.pgconn.send_query(b"SELECT repeat('x', 1000000) FROM generate_series(1, 100)")
    session.pgconn.flush()


def within_a_copy(session: Session) -> None:
    session.execute("CREATE TEMPORARY TABLE copied (text text)")
    session.pgconn.send_query(b"/* a report */ COPY copied FROM STDIN")
    session.pgconn.flush()


def at_work(session: Session) -> None:
    session.pgconn.send_query(b"SELECT pg_sleep(600)")
    session.pgconn.flush()


@pytest.fixture
def holder() -> Iterator[Session]:
    with _session() as session:
        session.execute("BEGIN")
        session.execute(LOCK)
        yield session


@pytest.fixture
def waiting(holder: Session) -> Iterator[Future[None]]:
    def wait() -> None:
        with _session() as session:
            session.execute(LOCK)

    with ThreadPoolExecutor() as threads:
        future = threads.submit(wait)
        try:
            _until(somebody_waits_for_a_lock)
            yield future
        finally:
            _end(holder)
            future.result(WAIT_S)


@pytest.mark.parametrize("stand", [between_two_messages, with_a_result_that_nobody_reads])
def test_it_is_ended_and_who_waited_goes_on(
    stand: Callable[[Session], None], holder: Session, waiting: Future[None]
) -> None:
    stand(holder)
    _until(lambda: [each.pid for each in end_standing_sessions(SHORT)] == [holder.info.backend_pid])
    waiting.result(WAIT_S)


def test_each_process_looks_for_it_beside_its_work(
    holder: Session, waiting: Future[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "EVERY_S", 0.02)
    monkeypatch.setattr(heartbeat, "end_standing_sessions", partial(end_standing_sessions, SHORT))
    between_two_messages(holder)
    beating = Heartbeat().start()
    try:
        waiting.result(WAIT_S)
    finally:
        beating.end()


def test_it_is_ended_though_nobody_waits_since_others_may_skip_what_it_has_locked(holder: Session) -> None:
    between_two_messages(holder)
    _until(lambda: [each.pid for each in end_standing_sessions(SHORT)] == [holder.info.backend_pid])


def test_a_slow_reader_goes_on_while_nobody_waits(holder: Session) -> None:
    with_a_result_that_nobody_reads(holder)
    _until_it_is_older(holder)
    assert end_standing_sessions(SHORT) == []


@pytest.mark.parametrize("stand", [between_two_messages, with_a_result_that_nobody_reads])
def test_it_has_its_time(stand: Callable[[Session], None], holder: Session, waiting: Future[None]) -> None:
    stand(holder)
    _until_it_is_older(holder)
    assert end_standing_sessions("1 hour") == []


def test_another_role_s_stays_also_before_a_superuser(holder: Session, waiting: Future[None]) -> None:
    between_two_messages(holder)
    _until_it_is_older(holder)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("CREATE ROLE another SUPERUSER; SET LOCAL SESSION AUTHORIZATION another")
        assert end_standing_sessions(SHORT) == []
        transaction.set_rollback(True)


@pytest.mark.parametrize("go_on", [within_a_copy, at_work])
def test_who_may_be_at_work_goes_on(go_on: Callable[[Session], None], holder: Session, waiting: Future[None]) -> None:
    go_on(holder)
    _until_it_is_older(holder)
    assert end_standing_sessions(SHORT) == []


@contextmanager
def _session() -> Iterator[Session]:
    server = {**connection.get_connection_params(), "cursor_factory": None}
    session = psycopg.connect(**server, autocommit=True)
    try:
        yield session
    finally:
        session.close()


def _end(session: Session) -> None:
    """One at work would not notice that its client is gone."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [session.info.backend_pid])


def _until_it_is_older(session: Session) -> None:
    """In the state in which it is now, than what counts as a standstill."""
    older = f"""SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND state = 'active'
                AND state_change < clock_timestamp() - interval '{SHORT}'"""

    def is_older() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(older, [session.info.backend_pid])
            return bool(cursor.fetchone()[0])

    _until(is_older)


def _until(condition: Callable[[], bool]) -> None:
    deadline = monotonic() + WAIT_S
    while not condition():
        assert monotonic() < deadline
        sleep(0.01)
