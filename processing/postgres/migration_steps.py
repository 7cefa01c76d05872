"""Steps for migrations that change a table while others write to it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.management.base import CommandError
from django.db import OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations import RunPython, SeparateDatabaseAndState
from django.db.migrations.operations.base import Operation
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import StateApps

LOCK_TIMEOUT_MS = 1_000
LOCK_NOT_AVAILABLE = "55P03"
TRIES = 20
PAUSE_S = 2.0  # below the 5 s after which a session that idles in its transaction is cut off


def adding_columns(module: str, table: str, columns: Sequence[str], operations: Sequence[Operation]) -> list[Operation]:
    """`operations`, which add nullable columns to a table, so that both ways they run beside readers and writers.

    `module` is the migration's `__name__`. The way back prints what it drops.
    """

    def forward(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
        lock_tables(editor.connection, table)

    def back(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
        tell_dropped_columns(editor.connection, table, columns)
        lock_tables(editor.connection, table)
        record_unapplied(editor.connection, module)

    return [RunPython(forward, RunPython.noop), *operations, RunPython(RunPython.noop, back)]


def without_scale(
    module: str, columns: Mapping[str, Mapping[str, tuple[int, int]]], operations: Sequence[Operation]
) -> list[Operation]:
    """Make columns `numeric` without digits and scale, which rewrites no row; `operations` tell Django's state.

    `columns`: by table, each column's digits and places before. The way back cuts what has more places and prints how
    many values that is; it writes the tables anew, and holds up writers while it does.
    """

    def forward(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
        lock_tables(editor.connection, *columns)
        for table, found in columns.items():
            _alter(editor.connection, table, ["{0} TYPE numeric USING {0}" for _ in found], list(found))

    def back(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
        for table, found in columns.items():
            _tell_cut(editor.connection, table, {name: places for name, (_, places) in found.items()})
        lock_tables(editor.connection, *columns)
        for table, found in columns.items():
            changes = [
                f"{{0}} TYPE numeric({digits}, {places}) USING trunc({{0}}, {places})"
                for digits, places in found.values()
            ]
            _alter(editor.connection, table, changes, list(found))
        record_unapplied(editor.connection, module)

    return [SeparateDatabaseAndState([RunPython(forward, back)], list(operations))]


def _alter(connection: BaseDatabaseWrapper, table: str, changes: Sequence[str], columns: Sequence[str]) -> None:
    quote = connection.ops.quote_name
    parts = [f"ALTER COLUMN {change.format(quote(each))}" for change, each in zip(changes, columns, strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {quote(table)} {', '.join(parts)}")


def _tell_cut(connection: BaseDatabaseWrapper, table: str, places: Mapping[str, int]) -> None:
    """Before the lock, which the count of a large table would prolong. Rows written in between are not counted."""
    quote = connection.ops.quote_name
    counts = [f"count(*) FILTER (WHERE {quote(name)} <> trunc({quote(name)}, {kept}))" for name, kept in places.items()]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(counts)} FROM {quote(table)}")
        values = cursor.fetchone()
    found = [(name, number) for name, number in zip(places, values, strict=True) if number]
    _tell([f"{table}.{name}: {number} values to {places[name]} decimals" for name, number in found], "cutting")


class WithoutLikeIndexes(RunPython):
    """The last step of a migration that makes text keys: none of them gets Django's second index, for LIKE.

    Where the collation is C, the key's own index serves LIKE too.
    """

    def __init__(self) -> None:
        super().__init__(_drop_like_indexes, RunPython.noop)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return self.__class__.__name__, [], {}


def _drop_like_indexes(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    editor.deferred_sql = [statement for statement in editor.deferred_sql if "_like" not in str(statement)]


def lock_tables(connection: BaseDatabaseWrapper, *tables: str) -> None:
    """Take the lock that ALTER TABLE needs, so that the ALTERs that follow in the transaction wait for nobody.

    While an ALTER TABLE waits for a long reader, every writer waits behind it. So the locks are asked for with a
    timeout, all given up when it is over, and asked for again: a writer waits LOCK_TIMEOUT_MS at most for each table.
    Raises `CommandError`.
    """
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE_S)
        if _lock(connection, tables):
            return
    users = ", ".join(_users(connection, tables)) or "somebody who has just left"
    raise CommandError(
        f"{', '.join(tables)}: {TRIES} tries to lock were in vain; in use, last by {users}. "
        "Nothing was changed: run this again, when what they do has ended."
    )


def _lock(connection: BaseDatabaseWrapper, tables: Sequence[str]) -> bool:
    names = ", ".join(map(connection.ops.quote_name, tables))
    try:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
            cursor.execute(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE")
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) != LOCK_NOT_AVAILABLE:
            raise
        return False
    return True


def _users(connection: BaseDatabaseWrapper, tables: Sequence[str]) -> list[str]:
    """The other sessions that hold one of the tables, oldest transaction first."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT DISTINCT format('process %%s (in its transaction since %%s)', a.pid, a.xact_start), a.xact_start
               FROM pg_locks l JOIN pg_stat_activity a USING (pid)
               WHERE a.datname = current_database() AND l.relation = ANY(%s::regclass[]) AND l.granted
                     AND a.pid <> pg_backend_pid()
               ORDER BY a.xact_start""",
            [list(tables)],
        )
        return [row[0] for row in cursor.fetchall()]


def tell_dropped_columns(connection: BaseDatabaseWrapper, table: str, columns: Sequence[str]) -> None:
    """Print how many values each column is about to lose.

    Call it before the lock, which the count of a large table would prolong. Rows written in between are not counted.
    """
    quote = connection.ops.quote_name
    counts = ", ".join(f"count({quote(column)})" for column in columns)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {counts} FROM {quote(table)}")
        values = cursor.fetchone()
    lines = [f"{table}.{column}: {number} values" for column, number in zip(columns, values, strict=True)]
    _tell(lines)


def tell_dropped_table(connection: BaseDatabaseWrapper, table: str) -> None:
    """The same of a whole table."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(table)}")
        _tell([f"{table}: {cursor.fetchone()[0]} rows"])


def _tell(lines: Sequence[str], doing: str = "dropping") -> None:
    if lines:
        print()  # migrate's "Unapplying …" stands in the line before
    for line in lines:
        print(f"    {doing} {line}", flush=True)


def record_unapplied(connection: BaseDatabaseWrapper, module: str) -> None:
    """In the transaction that changes the tables, where Django would do so only after it.

    Between the two a process that meets a missing column would find no migration missing, and blame its events.
    `module` is the migration's `__name__`.
    """
    app, _, name = module.split(".")[-3:]
    MigrationRecorder(connection).record_unapplied(app, name)
