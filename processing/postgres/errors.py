"""Whether an error is the handler's failure or transient: the database's state, no failure of the event."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
from django.db.utils import InterfaceError, OperationalError

from processing.postgres.backend.pool import NoneFree
from processing.postgres.databases import connection
from processing.postgres.schema import lacks_migrations_soon

# SQLSTATE classes and codes after which the same transaction can succeed later:
# https://www.postgresql.org/docs/current/errcodes-appendix.html
TRANSIENT_SQLSTATES = (
    "08",  # connection
    "25006",  # read-only
    "25P03",  # idle in transaction: we were frozen, and lost our locks
    "40",  # serialization failure, deadlock
    "53",  # out of disk, memory, connections
    "55P03",  # lock not available
    "57P",  # shutting down, starting up
    "58",  # system error
)
MISSING_OBJECT_SQLSTATES = ("42P01", "42703")  # undefined table, undefined column


class TransientError(Exception):
    """The whole transaction is to run again once the database can serve it."""


def is_transient(error: BaseException) -> bool:
    """Whether the database, not the code that met the error, is why it failed.

    A missing table or column counts when a migration of the code has not been run. May ask the database for that,
    so call it when no broken transaction is open.
    """
    if isinstance(error, TransientError):
        return True
    states = set(_sqlstates(error))
    if any(state.startswith(TRANSIENT_SQLSTATES) for state in states):
        return True
    if connection_is_lost() and is_connection_trouble(error):
        return True
    return bool(states.intersection(MISSING_OBJECT_SQLSTATES)) and lacks_migrations_soon()


def is_missing_object(error: BaseException) -> bool:
    """Whether a table or a column was missing. A migration may have made it since."""
    return not set(MISSING_OBJECT_SQLSTATES).isdisjoint(_sqlstates(error))


def is_at_its_limit(error: BaseException) -> bool:
    """Whether this process had no connection left for it."""
    return any(isinstance(each, NoneFree) for each in _chain(error))


def connection_is_lost() -> bool:
    raw = connection.connection
    return raw is None or bool(raw.closed)


def is_connection_trouble(error: BaseException) -> bool:
    """psycopg's errors for a cut connection, or one that could not be opened, have no SQLSTATE."""
    return not any(_sqlstates(error)) and any(
        isinstance(each, (psycopg.OperationalError, psycopg.InterfaceError, OperationalError, InterfaceError))
        for each in _chain(error)
    )


def _sqlstates(error: BaseException) -> Iterator[str]:
    for each in _chain(error):
        if isinstance(each, psycopg.Error) and each.sqlstate:
            yield each.sqlstate


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it: a handler may have wrapped the database's error in one of its own."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
