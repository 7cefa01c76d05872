"""A transaction on Django's connection with a raw cursor, and what to do while the database is not fit for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event as Flag
from typing import Any, TypeVar

import psycopg
import structlog
from django.db import DatabaseError, connection
from django.db import transaction as django_transaction

from processing.postgres.errors import is_connection_trouble, is_transient

Cursor = psycopg.Cursor[tuple[Any, ...]]


def raw_cursor() -> Cursor:
    """A psycopg cursor on Django's connection: the server binds parameters, and errors keep their SQLSTATE."""
    connection.ensure_connection()
    raw: psycopg.Connection[tuple[Any, ...]] = connection.connection
    return psycopg.Cursor(raw)


def begin(cursor: Cursor) -> None:
    """Once at the start of a transaction: a deferred constraint that a handler breaks fails in its own savepoint."""
    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 2.0

T = TypeVar("T")
log = structlog.get_logger(__name__)


class StoppedError(Exception):
    """The process is to stop while it waited for a service; what it had in hand is not done, and comes again."""


@contextmanager
def transaction() -> Iterator[Cursor]:
    with django_transaction.atomic():
        cursor = raw_cursor()
        begin(cursor)
        yield cursor


def retry_transient(work: Callable[[], T], stop: Flag) -> T:
    """Do `work`, a transaction that can be run again whole; while the database is not fit, wait and do it again.

    Raises `StoppedError` when `stop` is set meanwhile, and whatever `work` raises that is not the database's state.
    """
    wait = FIRST_WAIT_S
    while True:
        try:
            result = work()
        except Exception as error:
            if not reset_if_transient(error):
                raise
            log.warning("Postgres is not fit, the transaction will run again", error=str(error).strip(), wait_s=wait)
        else:
            return result
        if stop.wait(wait):
            raise StoppedError("stopped while Postgres was not fit")
        wait = min(LONGEST_WAIT_S, wait * 2)


def reset_if_transient(error: Exception) -> bool:
    """`is_transient` for an error outside any transaction; a connection that is in doubt is closed, to be opened anew.

    Django may have opened it anew already, when it rolled back, so the error alone tells that it was cut. A handler's
    error never comes this far.
    """
    try:
        transient = is_connection_trouble(error) or is_transient(error)
    except (psycopg.Error, DatabaseError) as second:  # the question itself met the database's state
        transient = is_transient(second)
    if transient:
        connection.close()
    return transient


def close_connection() -> None:
    """This thread needs Postgres no more, or not for a while."""
    connection.close()
