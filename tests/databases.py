"""Databases of one's own on a running server, copied from one that is migrated, and emptied between tests."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

import psycopg
from django.db import connection
from psycopg.sql import SQL, Identifier

WRITTEN_BY_MIGRATE = [
    "django_migrations",
    "django_content_type",
    "auth_permission",
    "auth_group",
    "auth_group_permissions",
]
# One round trip. Tables that never had a row are left alone: to truncate all of them takes ten times as long.
EMPTY_TABLES = """
DO $$
DECLARE
    names text;
BEGIN
    SELECT string_agg(oid::regclass::text, ', ') INTO names FROM pg_class
    WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND relname <> ALL ({kept})
      AND pg_relation_size(oid) > 0;
    IF names IS NOT NULL THEN
        EXECUTE format('TRUNCATE %s RESTART IDENTITY CASCADE', names);
    END IF;
END $$"""


def create_database(server_url: str, name: str, template: str) -> str:
    """Copy the template database; returns the new one's URL."""
    with psycopg.connect(server_url, autocommit=True) as session:
        session.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(template)))
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))


def create_once(server_url: str, name: str, fill: Callable[[str], None]) -> None:
    """Create an empty database and call `fill` with its name; where another process did or does, wait for that one."""
    with psycopg.connect(server_url, autocommit=True) as session:
        session.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [name])  # goes with the session
        if session.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            return
        create_database(server_url, name, "template1")
        try:
            fill(name)
        except BaseException:  # Ctrl-C too: nobody may take it for complete; raised again
            drop_database(server_url, name)
            raise


def drop_database(server_url: str, name: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as session:
        session.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))


def empty_tables() -> None:
    """Empty every table of the site's database but those that only `migrate` writes."""
    with connection.cursor() as cursor:
        statement = SQL(EMPTY_TABLES).format(kept=SQL("ARRAY[{}]").format(SQL(", ").join(WRITTEN_BY_MIGRATE)))
        cursor.execute(statement.as_string())
