"""What Postgres does for a list, or in a transaction: the plans of the statements that it executes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import psycopg
from django.db import connection, transaction

Plan = dict[str, Any]


@dataclass(frozen=True)
class Node:
    """A line of a plan. `rows` are those it gave out, `removed` those it looked at in vain; `pages` those it read."""

    type: str
    index: str
    rows: int
    removed: int
    pages: int

    def __str__(self) -> str:
        index = f" using {self.index}" if self.index else ""
        removed = f", {self.removed:,} looked at in vain" if self.removed else ""
        return f"{self.type}{index}: {self.rows:,} rows{removed}, {self.pages:,} pages"


def plans_of(read: Callable[[], Any]) -> list[list[Node]]:
    """Call `read`, and have each of its SELECTs explained, and run once more, as it was run there."""
    statements: list[tuple[str, Any]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        statements.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        read()
    settings = [sql for sql, _ in statements if sql.startswith("SET ")]
    with transaction.atomic(), connection.cursor() as cursor:
        for setting in settings:
            cursor.execute(setting)
        return [_explain(cursor, sql, params) for sql, params in statements if sql.startswith("SELECT ")]


def _explain(cursor: Any, sql: str, params: Any) -> list[Node]:
    cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", params)
    (told,) = cursor.fetchone()
    return list(_nodes((json.loads(told) if isinstance(told, str) else told)[0]["Plan"]))


def _nodes(plan: Plan) -> Iterator[Node]:
    yield Node(
        type=plan["Node Type"],
        index=plan.get("Index Name", ""),
        rows=round(plan["Actual Rows"] * plan["Actual Loops"]),
        removed=round(plan.get("Rows Removed by Filter", 0) * plan["Actual Loops"]),
        pages=plan["Shared Hit Blocks"] + plan["Shared Read Blocks"],
    )
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)


PLANNED = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")


@contextmanager
def plans_of_statements() -> Iterator[list[str]]:
    """The plan of each statement that `processing.postgres` executes meanwhile, told before it runs; arrays cut."""
    plans: list[str] = []

    class Explaining(psycopg.Cursor[tuple[Any, ...]]):
        def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
            text = str(query).strip()
            if text.startswith(PLANNED):
                super().execute(f"EXPLAIN (COSTS OFF) {text}".encode(), params)
                plans.append(re.sub(r"\{[^{}]{40,}\}", "{…}", "\n".join(line for (line,) in self.fetchall())))
            return super().execute(query, params, **options)

    with patch("processing.postgres.transaction.psycopg.Cursor", Explaining):
        yield plans
