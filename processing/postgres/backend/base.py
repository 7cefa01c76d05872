"""Where connections come from and transactions begin, ours and the ORM's: a pool, so that a process never has more than
it may; and BEGIN with its settings is one message to the server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db.backends.postgresql import base
from django.db.backends.postgresql.creation import DatabaseCreation
from django.db.backends.utils import debug_transaction

from processing.postgres.backend.pool import IDLE_S, LIMIT, Connection, Pool, pool_of

IDLE_IN_TRANSACTION_TIMEOUT = "5s"  # a frozen process, or one on a host that was cut off, loses its locks
# Not by the connection's `options`: a pooler refuses or drops them, and a SET would reach other clients' sessions.
FROZEN_LOSE_THEIR_LOCKS = f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION_TIMEOUT}'"
BEGIN = f"BEGIN; {FROZEN_LOSE_THEIR_LOCKS}"


class Creation(DatabaseCreation):
    def _destroy_test_db(self, test_database_name: str, verbosity: int) -> None:
        """`manage.py test` would find it in use."""
        own: Any = self.connection
        own._own_pool().close_idle()
        super()._destroy_test_db(test_database_name, verbosity)  # type: ignore[misc]  # not in its stubs


class DatabaseWrapper(base.DatabaseWrapper):
    """MAX_CONNECTIONS of `DATABASES` is the bound, IDLE_S how long an idle one is kept. What Django closes, at the end
    of a request or of a task, goes back to the pool."""

    creation_class = Creation
    _begin = BEGIN

    @contextmanager
    def beginning_with(self, settings: str) -> Iterator[None]:
        """A transaction that begins in the block begins with these settings too."""
        self._begin = f"{BEGIN}; {settings}"
        try:
            yield
        finally:
            self._begin = BEGIN

    def get_new_connection(self, conn_params: dict[str, Any]) -> Connection:
        connect = super().get_new_connection
        return self._own_pool().take(lambda: connect(conn_params))

    def init_connection_state(self) -> None:
        """Django leaves a connection open whose server it has just refused, and asks no more when it is used again."""
        try:
            super().init_connection_state()
        except Exception:  # whatever it was, it is raised again: only the connection must not stay
            self.close()
            raise

    def _start_transaction_under_autocommit(self) -> None:
        """Called by `atomic` in place of turning autocommit off, after which psycopg would send a bare BEGIN."""
        with debug_transaction(self, self._begin), self.wrap_database_errors:
            try:
                self.connection.execute(self._begin)
            except Exception:  # raised again
                self.close()  # begun or not, nobody would end it
                raise

    def _close(self) -> None:
        if self.connection is not None:
            with self.wrap_database_errors:
                self._own_pool().give_back(self.connection, reusable=not self.in_atomic_block)

    def _own_pool(self) -> Pool:
        options = self.settings_dict
        return pool_of(self.alias, options.get("MAX_CONNECTIONS", LIMIT), options.get("IDLE_S", IDLE_S))
