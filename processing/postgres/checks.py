"""System checks: is what the design asks of a database session in force, whatever stands between us and the server?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError

from processing.postgres.backend.base import IDLE_IN_TRANSACTION_TIMEOUT
from processing.postgres.databases import connection
from processing.postgres.transaction import transaction

TIMEOUT = "idle_in_transaction_session_timeout"
CUT_OFF_NOTICED_WITHIN_S = 60
POOLER = "A pooler must lend a server for a transaction at least, as PgBouncer does with pool_mode = transaction."


@register(Tags.database)
def check_sessions(
    *, app_configs: Sequence[Any] | None, databases: Sequence[str] | None, **options: Any
) -> list[CheckMessage]:
    """processing.E001: a frozen process would keep its locks. processing.W001: a cut connection is noticed late.

    Runs with `manage.py check --database default`, and before `migrate`. Raises `django.db.Error` when the database
    does not answer.
    """
    if connection.alias not in (databases or ()):
        return []
    return [*_check_timeout(), *_check_keepalives()]


def _check_timeout() -> list[CheckMessage]:
    try:
        with transaction() as cursor:
            row = cursor.execute(f"SHOW {TIMEOUT}").fetchone()
    except (DatabaseError, psycopg.Error) as error:
        if not (getattr(error, "sqlstate", None) or getattr(error.__cause__, "sqlstate", None)):
            raise
        text = f"no transaction can be made: {' '.join(str(error).split())}."
        return [Error(text, hint=POOLER, id="processing.E001")]
    if row == (IDLE_IN_TRANSACTION_TIMEOUT,):
        return []
    text = f"{TIMEOUT} is {row[0] if row else None} in a transaction, not {IDLE_IN_TRANSACTION_TIMEOUT}."
    return [Error(text, hint=POOLER, id="processing.E001")]


def _check_keepalives() -> list[CheckMessage]:
    connection.ensure_connection()  # a transaction that was refused has closed it
    info = connection.connection.info
    seconds = cut_off_noticed_after_s(info.get_parameters())
    if info.host.startswith("/") or (seconds is not None and seconds <= CUT_OFF_NOTICED_WITHIN_S):
        return []
    text = f"a cut connection to the database is noticed {'by nobody' if seconds is None else f'after {seconds} s'}."
    hint = "Leave keepalives, keepalives_idle, keepalives_interval and keepalives_count out of DATABASE_URL."
    return [Warning(text, hint=hint, id="processing.W001")]


def cut_off_noticed_after_s(parameters: Mapping[str, str]) -> int | None:
    """When libpq's keepalives give a silent connection up; None if they are off, or left to the system's hours."""
    idle, interval, count = (int(parameters.get(f"keepalives_{name}", 0)) for name in ("idle", "interval", "count"))
    if parameters.get("keepalives") == "0" or not (idle and interval and count):
        return None
    return idle + interval * count
