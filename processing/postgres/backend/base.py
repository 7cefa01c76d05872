"""Where connections come from, ours and the ORM's: a pool, so that a process never has more than it may."""

from __future__ import annotations

from typing import Any

from django.db.backends.postgresql import base

from processing.postgres.backend.pool import IDLE_S, LIMIT, Connection, Pool, pool_of


class DatabaseWrapper(base.DatabaseWrapper):
    """MAX_CONNECTIONS of `DATABASES` is the bound, IDLE_S how long an idle one is kept. What Django closes, at the end
    of a request or of a task, goes back to the pool."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Connection:
        connect = super().get_new_connection
        return self._own_pool().take(lambda: connect(conn_params))

    def _close(self) -> None:
        if self.connection is not None:
            with self.wrap_database_errors:
                self._own_pool().give_back(self.connection, reusable=not self.in_atomic_block)

    def _own_pool(self) -> Pool:
        options = self.settings_dict
        return pool_of(self.alias, options.get("MAX_CONNECTIONS", LIMIT), options.get("IDLE_S", IDLE_S))
