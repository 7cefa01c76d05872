"""Waiting for a database that has every migration of this code."""

from __future__ import annotations

from threading import Event as Flag

from processing.domain.away import retry_while_away
from processing.postgres.schema import has_migrations
from processing.postgres.transaction import why_postgres_is_away


class MigrationsMissing(Exception):
    """The database lacks a migration of this code."""


def wait_for_migrations(stop: Flag) -> None:
    """Wait until the database is there and has every migration. Raises `StoppedError`."""
    retry_while_away(_check_migrations, _why_not_ready, stop=stop)


def _check_migrations() -> None:
    if not has_migrations():
        raise MigrationsMissing("run manage.py migrate")


def _why_not_ready(error: Exception) -> str | None:
    return "migrations are missing" if isinstance(error, MigrationsMissing) else why_postgres_is_away(error)
