"""Which migrations of this code the database lacks; a process whose database lacks one waits for it."""

from __future__ import annotations

import structlog
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor

log = structlog.get_logger(__name__)

_seen_complete = False


def ping() -> None:
    """Raises `django.db.Error` when the database does not answer; the next call then connects anew."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        connection.close()
        raise


def missing_migrations() -> list[str]:
    """The migrations of this code that the database lacks, as `app.name`, in the order they would run."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def has_migrations() -> bool:
    """Whether the database had all migrations when this process last asked; logs those that it lacks.

    A process that has found all asks no more: after a step back the statement that misses one fails, see `errors`.
    """
    global _seen_complete
    if not _seen_complete:
        _seen_complete = not lacks_migrations()
    return _seen_complete


def lacks_migrations() -> bool:
    """Ask the database; logs the migrations that it lacks."""
    missing = missing_migrations()
    if missing:
        log.warning("waiting for migrations: run manage.py migrate", missing=missing)
    return bool(missing)
