"""Which database a handler may write: the inbox's own, whose transaction its effects are part of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from psycopg.sql import Composable

# A WITH may lock rows FOR UPDATE, or FOR NO KEY UPDATE, and write none.
WRITES = re.compile(
    r"\s*(?:WITH\b.*\b)?(?:INSERT|(?<!FOR\s)(?<!KEY\s)UPDATE|DELETE|MERGE|COPY|TRUNCATE)\b", re.IGNORECASE | re.DOTALL
)
NO_WORDS = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/""", re.DOTALL)  # texts, names, comments


class OtherDatabaseError(Exception):
    """A handler wrote by another database than the inbox's: a rollback or a crash would part the two."""


@contextmanager
def no_other_database() -> Iterator[None]:
    """During the block a statement that writes by another of the site's databases raises `OtherDatabaseError`."""
    others = [alias for alias in connections if alias != DEFAULT_DB_ALIAS]
    with ExitStack() as stack:
        for alias in others:
            stack.enter_context(connections[alias].execute_wrapper(_refusal(alias)))
        yield


def _refusal(alias: str) -> Callable[..., Any]:
    def refuse(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        if WRITES.match(NO_WORDS.sub(" ", _text(sql))):
            raise OtherDatabaseError(
                f"a handler wrote by the database {alias!r}; its effects must be in the transaction of its event: "
                f"write by {DEFAULT_DB_ALIAS!r} (see DATABASE_ROUTERS), or have another process copy the rows"
            )
        return execute(sql, params, many, context)

    return refuse


def _text(sql: Any) -> str:
    """A statement as a handler may write it: a text, bytes, or one that psycopg composes."""
    if isinstance(sql, Composable):
        return sql.as_string(None)
    return sql.decode() if isinstance(sql, bytes) else str(sql)
