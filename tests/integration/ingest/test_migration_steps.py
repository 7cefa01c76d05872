"""Changing a table while others read and write it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from django.core.management.base import CommandError

from processing.postgres import migration_steps
from processing.postgres.migration_steps import _lock
from processing.postgres.schema import missing_migrations
from tests.support.product_schema import (
    BACK,
    FORTH,
    INSERT_V1,
    LATEST_COLUMNS,
    MONEY_MIGRATION,
    V1_COLUMNS,
    another_session,
    columns,
    migrate,
    migrate_and_close,
    query,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _forward_again() -> Iterator[None]:
    yield
    if missing_migrations():
        migrate()


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migration_steps, "LOCK_TIMEOUT_MS", 50)
    monkeypatch.setattr(migration_steps, "PAUSE_S", 0.05)


@pytest.fixture
def long_reader() -> Callable[[], AbstractContextManager[None]]:
    """A transaction that has read the table and goes on."""

    @contextmanager
    def read() -> Iterator[None]:
        with another_session() as session:
            session.execute("SELECT count(*) FROM product_events")
            yield

    return read


@pytest.mark.parametrize(("start", "target", "after"), [(BACK, FORTH, LATEST_COLUMNS), (FORTH, BACK, V1_COLUMNS)])
def test_writers_go_on_while_a_long_reader_keeps_it_waiting(
    long_reader: Callable[[], AbstractContextManager[None]],
    monkeypatch: pytest.MonkeyPatch,
    start: str,
    target: str,
    after: list[Any],
) -> None:
    migrate(start)
    monkeypatch.setattr(migration_steps, "TRIES", 10_000)
    tried = count_tries(monkeypatch)
    with ThreadPoolExecutor(1) as pool, another_session() as writer:
        writer.autocommit = True
        with long_reader():
            migrating = pool.submit(migrate_and_close, target)
            for number in range(5):
                tried.acquire()  # a try has failed since the last row
                writer.execute(INSERT_V1, [f"row-{number}"])
            assert not migrating.done()
        migrating.result()
        writer.execute(INSERT_V1, ["the last"])
    assert columns() == after
    assert query("SELECT count(*) FROM product_events") == [(6,)]


@pytest.mark.parametrize(("start", "target"), [(BACK, MONEY_MIGRATION), (MONEY_MIGRATION, BACK)])
def test_it_gives_up_changing_nothing_and_says_who_was_in_the_way(
    long_reader: Callable[[], AbstractContextManager[None]],
    monkeypatch: pytest.MonkeyPatch,
    start: str,
    target: str,
) -> None:
    migrate(start)
    before = columns(), missing_migrations()
    monkeypatch.setattr(migration_steps, "TRIES", 2)
    with (
        long_reader(),
        pytest.raises(CommandError, match=r"product_events: 2 tries .* process \d+ .* Nothing was changed: run this"),
    ):
        migrate(target)
    assert (columns(), missing_migrations()) == before
    migrate(target)  # again, as it said


def count_tries(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    tried = threading.Semaphore(0)
    lock = _lock

    def counted(*args: Any) -> bool:
        taken = lock(*args)
        tried.release()
        return taken

    monkeypatch.setattr(migration_steps, "_lock", counted)
    return tried
