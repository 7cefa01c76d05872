"""Whether the database fits this code: its server's version, and which migrations it lacks, which are waited for."""

from __future__ import annotations

import math
from time import monotonic, sleep

import structlog
from django.db import Error, NotSupportedError, router
from django.db.migrations.executor import MigrationExecutor

from processing.postgres.databases import connection

log = structlog.get_logger(__name__)

SUPPORTED = "PostgreSQL 14 to 18"

STEP_BACK_S = 1.0  # longer than a step back takes from its commit to its record
LOOK_S = 0.1
PATIENT_AGAIN_S = 60.0

_seen_complete = False
_in_vain_at = -math.inf  # when a record was last waited for in vain, monotonic()


def ping() -> None:
    """Raises `django.db.Error` when the database does not answer; the next call then connects anew."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        connection.close()
        raise


def why_unsupported() -> str | None:
    """Why the server's version will not do; None if it will, or if the server does not answer. It gives its
    connection back.
    """
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
    return [
        f"{migration.app_label}.{migration.name}"
        for migration, _ in plan
        if router.allow_migrate(connection.alias, migration.app_label)
    ]


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


def lacks_migrations_soon() -> bool:
    """As `lacks_migrations`, of a statement that has just missed a table or a column.

    Django records a step back after the transaction that took the table, so that for a moment none seems to be lacking.
    That record is waited for, but not again and again: what is missing may be a mistake in the statement.
    """
    global _in_vain_at
    until = monotonic() + (STEP_BACK_S if monotonic() - _in_vain_at > PATIENT_AGAIN_S else 0.0)
    while not lacks_migrations():
        if monotonic() >= until:
            _in_vain_at = monotonic()
            return False
        sleep(LOOK_S)
    return True
