"""Where every transaction begins, ours and the ORM's: BEGIN and its settings are one message to the server."""

from __future__ import annotations

from django.db.backends.postgresql import base
from django.db.backends.utils import debug_transaction

IDLE_IN_TRANSACTION_TIMEOUT = "5s"  # a frozen process, or one on a host that was cut off, loses its locks
# Not by the connection's `options`: a pooler refuses or drops them, and a SET would reach other clients' sessions.
BEGIN = f"BEGIN; SET LOCAL idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION_TIMEOUT}'"


class DatabaseWrapper(base.DatabaseWrapper):
    def init_connection_state(self) -> None:
        """Django leaves a connection open whose server it has just refused, and asks no more when it is used again."""
        try:
            super().init_connection_state()
        except Exception:
            self.close()
            raise

    def _start_transaction_under_autocommit(self) -> None:
        """Called by `atomic` in place of turning autocommit off, after which psycopg would send a bare BEGIN."""
        with debug_transaction(self, BEGIN), self.wrap_database_errors:
            try:
                self.connection.execute(BEGIN)
            except Exception:
                self.close()  # begun or not, nobody would end it
                raise
