"""A transaction on Django's connection with a raw cursor, and the wait while the database cannot serve one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from threading import Event as Flag
from typing import Any, LiteralString, TypeVar

import psycopg
from django.db import DatabaseError, connections
from django.db import transaction as django_transaction

from processing.domain.away import retry_while_away
from processing.postgres.backend.base import FROZEN_LOSE_THEIR_LOCKS, DatabaseWrapper
from processing.postgres.databases import connection
from processing.postgres.errors import is_connection_trouble, is_transient

Cursor = psycopg.Cursor[tuple[Any, ...]]
T = TypeVar("T")
View = Callable[..., Any]

CHECKED_AT_ONCE = "SET CONSTRAINTS ALL IMMEDIATE"
OUTCOME_TIME: LiteralString = "SELECT date_trunc('milliseconds', clock_timestamp() + interval '999 microseconds')"


def raw_cursor() -> Cursor:
    """A psycopg cursor on Django's connection: the server binds parameters, and errors keep their SQLSTATE."""
    connection.ensure_connection()
    raw: psycopg.Connection[tuple[Any, ...]] = connection.connection
    return psycopg.Cursor(raw)


@contextmanager
def transaction() -> Iterator[Cursor]:
    """A transaction, or a savepoint within one. A deferred constraint that a handler breaks fails in its savepoint."""
    with ExitStack() as block:
        yield _begin(block)


def _begin(block: ExitStack) -> Cursor:
    """With our own ENGINE the settings of a transaction go with its BEGIN; a project may have another."""
    begun = connections[connection.alias]
    atomic = django_transaction.atomic(using=connection.alias)
    if isinstance(begun, DatabaseWrapper) and not begun.in_atomic_block:
        with begun.beginning_with(CHECKED_AT_ONCE):
            block.enter_context(atomic)
        return raw_cursor()
    block.enter_context(atomic)
    cursor = raw_cursor()
    cursor.execute(f"{FROZEN_LOSE_THEIR_LOCKS}; {CHECKED_AT_ONCE}")
    return cursor


def not_atomic(view: View) -> View:
    """The view without the transaction that ATOMIC_REQUESTS opens around it: what follows a commit must come after it,
    and a request that waits for Kafka must hold none."""
    for alias in connections:
        view = django_transaction.non_atomic_requests(using=alias)(view)
    return view


def outcome_time(cursor: Cursor) -> datetime:
    """The time of an outcome, in whole milliseconds; rounded up, so that it is never before the event was received.

    By the database's clock, the one that all processes share. Asked for once the lanes are locked, it is never before
    the time of an outcome that they had before; no time is taken over from a row, since that clock may have been wrong.
    """
    cursor.execute(OUTCOME_TIME)
    return fetch_time(cursor)


def fetch_time(cursor: Cursor) -> datetime:
    """What OUTCOME_TIME told."""
    row = cursor.fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment


def retry_transient(work: Callable[[], T], stop: Flag | None = None, *, patience_s: float | None = None) -> T:
    """Do `work`, a transaction that can run again whole; after a transient error, wait and do it again.

    Raises `StoppedError` when `stop` is set meanwhile or after `patience_s`, and whatever `work` raises that is not
    the database's state.
    """
    return retry_while_away(work, why_postgres_is_away, stop=stop, patience_s=patience_s)


def why_postgres_is_away(error: Exception) -> str | None:
    """A line for the log if the error is transient, else None; see `reset_if_transient`."""
    return "Postgres is not fit" if reset_if_transient(error) else None


def reset_if_transient(error: Exception) -> bool:
    """`is_transient` for an error outside any transaction; closes the connection, so that the next statement opens one.

    Django may have opened a new one already, when it rolled back, so only the error tells that the old one was cut. A
    handler's error never comes this far.
    """
    try:
        transient = is_connection_trouble(error) or is_transient(error)
    except (psycopg.Error, DatabaseError) as second:  # the question itself met a transient error
        transient = is_transient(second)
    if transient:
        connection.close()
    return transient


def close_connection() -> None:
    """For a thread that no longer needs its connection."""
    connection.close()
