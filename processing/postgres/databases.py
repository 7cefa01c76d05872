"""Which database a handler may write: the inbox's own, whose transaction its effects are part of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

WRITES = re.compile(r"\s*(?:WITH\b.*\b)?(?:INSERT|UPDATE|DELETE|MERGE|COPY|TRUNCATE)\b", re.IGNORECASE | re.DOTALL)


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
    def refuse(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if WRITES.match(sql):
            raise OtherDatabaseError(
                f"a handler wrote by the database {alias!r}; its effects must be in the transaction of its event: "
                f"write by {DEFAULT_DB_ALIAS!r} (see DATABASE_ROUTERS), or have another process copy the rows"
            )
        return execute(sql, params, many, context)

    return refuse
