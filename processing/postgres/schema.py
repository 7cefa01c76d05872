"""Whether the database fits this code: its server's version, and which migrations it lacks, which are waited for."""

from __future__ import annotations

import structlog
from django.db import Error, NotSupportedError, connection
from django.db.migrations.executor import MigrationExecutor

log = structlog.get_logger(__name__)

SUPPORTED = "PostgreSQL 14 to 18"

_seen_complete = False


def ping() -> None:
    """Raises `django.db.Error` when the database does not answer; the next call then connects anew."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        connection.close()
        raise


def why_unsupported() -> str | None:
    """Why the server's version will not do; None if it will, or if the server does not answer. Leaves no connection."""
    try:
        connection.ensure_connection()
    except NotSupportedError as error:
        return unsupported_version(error)
    except Error:
        return None  # it is waited for
    finally:
        connection.close()
    return None


def unsupported_version(error: NotSupportedError) -> str | None:
    """A line on the server's version, if Django refused it; what the server itself does not support has a cause."""
    return None if error.__cause__ else f"{str(error).rstrip('.')}: DATABASE_URL is to name a server of {SUPPORTED}"


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
