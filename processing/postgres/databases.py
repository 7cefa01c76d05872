"""Which database the events are in; a handler may write that one alone, whose transaction its effects are part of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, cast

from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model
from django.utils.connection import ConnectionProxy
from psycopg.sql import Composable

OURS = frozenset({"processing", "ingest", "revenue"})

# A WITH may lock rows FOR UPDATE, or FOR NO KEY UPDATE, and write none.
WRITES = re.compile(
    r"\s*(?:WITH\b.*\b)?(?:INSERT|(?<!FOR\s)(?<!KEY\s)UPDATE|DELETE|MERGE|COPY|TRUNCATE)\b", re.IGNORECASE | re.DOTALL
)
NO_WORDS = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/""", re.DOTALL)  # texts, names, comments


class _Connection(ConnectionProxy):  # type: ignore[type-arg]  # generic in its stubs alone
    """As Django's own `connection`, to EVENTS_DATABASE."""

    @property
    def _alias(self) -> str:
        return str(settings.EVENTS_DATABASE)


connection: BaseDatabaseWrapper = cast(Any, _Connection(connections, ""))


class Router:
    """Of DATABASE_ROUTERS: our tables are in EVENTS_DATABASE, and are read there too."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
        return settings.EVENTS_DATABASE if model._meta.app_label in OURS else None

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        return db == settings.EVENTS_DATABASE if app_label in OURS else None


class OtherDatabaseError(Exception):
    """A handler wrote by another database than the inbox's: a rollback or a crash would part the two."""


@contextmanager
def no_other_database() -> Iterator[None]:
    """During the block a statement that writes by another of the site's databases raises `OtherDatabaseError`."""
    others = [alias for alias in connections if alias != connection.alias]
    with ExitStack() as stack:
        for alias in others:
            stack.enter_context(connections[alias].execute_wrapper(_refusal(alias)))
        yield


def _refusal(alias: str) -> Callable[..., Any]:
    def refuse(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        if WRITES.match(NO_WORDS.sub(" ", _text(sql))):
            raise OtherDatabaseError(
                f"a handler wrote by the database {alias!r}; its effects must be in the transaction of its event: "
                f"write by {connection.alias!r} (see DATABASE_ROUTERS), or have another process copy the rows"
            )
        return execute(sql, params, many, context)

    return refuse


def _text(sql: Any) -> str:
    """A statement as a handler may write it: a text, bytes, or one that psycopg composes."""
    if isinstance(sql, Composable):
        return sql.as_string(None)
    return sql.decode() if isinstance(sql, bytes) else str(sql)
