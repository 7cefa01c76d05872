"""A handler that writes by another database than the inbox's: a second one that exists, for the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import connection, connections
from psycopg.sql import SQL, Identifier
from pytest_django import DjangoDbBlocker

from processing.domain import families as registry
from processing.domain.envelope import Event
from processing.postgres.databases import no_other_database
from tests.databases import create_database, drop_database
from tests.support import flaky
from tests.support.batches import applied, column, retry_all, statuses, store, value

OTHER = "warehouse"

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", OTHER]),
    pytest.mark.usefixtures("hints_off", "two_tries"),
]


@pytest.fixture(scope="module")
def other_database(server_url: str, django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """A second database of the site, as an operator would name it in DATABASES; its URL.

    Of the module: it must be known before pytest-django asks which databases a test may use.
    """
    name = f"test_{uuid4().hex[:8]}"
    url = create_database(server_url, name, "template1")
    connections.settings[OTHER] = {**connection.settings_dict, "NAME": name}
    yield url
    with django_db_blocker.unblock():
        connections[OTHER].close()
    del connections[OTHER]
    del connections.settings[OTHER]
    drop_database(server_url, name)


@pytest.fixture
def warehouse(other_database: str) -> str:
    with psycopg.connect(other_database) as session:
        session.execute("DROP TABLE IF EXISTS copies")
        session.execute("CREATE TABLE copies (id text)")
        session.execute("INSERT INTO copies VALUES ('there before')")
    return other_database


def copies(url: str) -> list[str]:
    with psycopg.connect(url) as session:
        return [id for (id,) in session.execute("SELECT id FROM copies ORDER BY id")]


def by_other(sql: Any, *parameters: Any) -> list[Any]:
    with connections[OTHER].cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall()) if cursor.description else []


@pytest.fixture
def handle(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Sequence[Event]], None]], None]:
    """Let the handler do something after its rows are written."""

    def use(more: Callable[[Sequence[Event]], None]) -> None:
        def handler(events: Sequence[Event]) -> None:
            flaky.store(events)
            more(events)

        family = registry.Family(name="flaky", schema=flaky.FlakyPayload, handler=handler)
        monkeypatch.setitem(registry._kinds, "flaky", {registry.ANY_TYPE: family})

    return use


def write_elsewhere(events: Sequence[Event]) -> None:
    for event in events:
        if event.id != "modest":
            by_other("INSERT INTO copies VALUES (%s)", event.id)


def test_its_event_fails_saying_so_and_nothing_is_written(warehouse: str, handle: Callable[..., None]) -> None:
    handle(write_elsewhere)
    store(value("greedy"), value("modest", user="v"))
    assert statuses() == {"greedy": ("retrying", 1), "modest": ("processed", 1)}
    (error,) = column("SELECT error FROM processing_inboxevent WHERE id = 'greedy'")
    assert error.startswith("OtherDatabaseError: a handler wrote by the database 'warehouse'")
    retry_all()
    assert statuses()["greedy"] == ("failed", 2)
    assert applied() == []
    assert len(applied("v")) == 1
    assert copies(warehouse) == ["there before"]


def test_reading_by_the_other_database_is_allowed(warehouse: str, handle: Callable[..., None]) -> None:
    found: list[Any] = []
    handle(lambda events: found.extend(by_other("SELECT id FROM copies")))
    store(value("reader"))
    assert statuses() == {"reader": ("processed", 1)}
    assert found == [("there before",)]


def test_outside_of_handlers_the_other_database_is_its_owners(warehouse: str, handle: Callable[..., None]) -> None:
    handle(lambda events: None)
    store(value("e"))
    by_other("INSERT INTO copies VALUES ('by a task')")
    assert copies(warehouse) == ["by a task", "there before"]


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO copies VALUES ('x')",
        "WITH x AS (SELECT 1) DELETE FROM copies",
        "-- by a tracer\n /* and another */ INSERT INTO copies VALUES ('x')",
        b"DELETE FROM copies",
        SQL("DELETE FROM {}").format(Identifier("copies")),
    ],
)
def test_what_writes_is_known_by_its_first_word(warehouse: str, sql: Any) -> None:
    with no_other_database(), pytest.raises(Exception, match="wrote by the database 'warehouse'"):
        by_other(sql)
    assert copies(warehouse) == ["there before"]


@pytest.mark.parametrize(
    "sql",
    [
        "WITH c AS (SELECT id FROM copies) SELECT id FROM c WHERE id <> 'DELETE'",
        'WITH c AS (SELECT id AS "update" FROM copies) SELECT "update" FROM c -- no insert',
        "WITH c AS (SELECT 1) SELECT id FROM copies FOR UPDATE",
        SQL("SELECT id FROM {}").format(Identifier("copies")),
    ],
)
def test_what_only_has_such_a_word_is_read(warehouse: str, sql: Any) -> None:
    with no_other_database():
        assert by_other(sql) == [("there before",)]
