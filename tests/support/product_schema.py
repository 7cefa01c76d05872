"""The table of product events, and its migrations there and back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.core.management import call_command
from django.db import connection

V1_COLUMNS = [
    ("id", "bigint", "NO", None),
    ("event_id", "text", "NO", None),
    ("event_type", "text", "NO", None),
    ("timestamp", "timestamp with time zone", "NO", None),
    ("user_id", "text", "NO", None),
    ("product_id", "text", "NO", None),
    ("product_name", "text", "NO", None),
    ("category", "text", "YES", None),
    ("price", "numeric(15,2)", "NO", None),
    ("currency", "character(3)", "NO", "'USD'::bpchar"),
    ("quantity", "integer", "NO", "1"),
    ("metadata", "jsonb", "NO", "'{}'::jsonb"),
    ("unknown_fields", "jsonb", "YES", None),
    ("created_at", "timestamp with time zone", "NO", "statement_timestamp()"),
    ("updated_at", "timestamp with time zone", "NO", "statement_timestamp()"),
]
V2_COLUMNS = [
    ("discount_code", "text", "YES", None),
    ("discount_amount", "numeric(15,2)", "YES", None),
    ("tax_amount", "numeric(15,2)", "YES", None),
    ("shipping_address", "jsonb", "YES", None),
]
LATEST_COLUMNS = [  # money without scale
    (name, "numeric" if kind.startswith("numeric") else kind, null, default)
    for name, kind, null, default in V1_COLUMNS + V2_COLUMNS
]
INSERT_V1 = """INSERT INTO product_events (event_id, event_type, timestamp, user_id, product_id, product_name, price)
               VALUES (%s, 't', now(), 'u', 'p', 'n', 1)"""
BACK, V2_MIGRATION, MONEY_MIGRATION, FORTH = "0003", "0004", "0005", "0006"


def migrate(*to: str) -> None:
    call_command("migrate", *(("ingest", *to) if to else ()), verbosity=0)


def query(sql: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def columns() -> list[tuple[str, str, str, str | None]]:
    return query(
        """SELECT c.column_name, format_type(a.atttypid, a.atttypmod), c.is_nullable, c.column_default
           FROM information_schema.columns c
           JOIN pg_attribute a ON a.attrelid = 'product_events'::regclass AND a.attname = c.column_name
           WHERE c.table_name = 'product_events' ORDER BY c.ordinal_position"""
    )


@contextmanager
def another_session() -> Iterator[psycopg.Connection]:
    with psycopg.connect(**{**connection.get_connection_params(), "cursor_factory": None}) as session:
        yield session


def migrate_and_close(to: str) -> None:
    try:
        migrate(to)
    finally:
        connection.close()  # this thread's own
