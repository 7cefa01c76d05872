"""Whose fault it is: a database that is not fit is nobody's failure, whatever the handler makes of its error."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Event as Flag

import pytest
from django.db import ProgrammingError, connection
from redis import Redis

from processing.domain import families as registry
from processing.domain.away import StoppedError
from processing.domain.envelope import Event
from processing.domain.outcomes import BatchResult
from processing.engine.process_batch import process_batch
from processing.postgres import schema
from processing.postgres.errors import TransientError, is_transient
from processing.postgres.transaction import reset_if_transient, retry_transient, transaction
from tests.support import flaky
from tests.support.batches import batch_of, column, statuses, value

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("hints_off", "redis")]

Trouble = Callable[[], None]


def execute(sql: str) -> Trouble:
    def trouble() -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql)

    return trouble


def raise_state(sqlstate: str) -> Trouble:
    return execute(f"DO $$ BEGIN RAISE EXCEPTION 'made up' USING ERRCODE = '{sqlstate}'; END $$")


def wrapped(trouble: Trouble) -> Trouble:
    def wrapping() -> None:
        try:
            trouble()
        except Exception as error:
            raise RuntimeError("the shop is closed") from error

    return wrapping


def swallowed(trouble: Trouble) -> Trouble:
    def swallowing() -> None:
        with suppress(Exception):  # what a careless handler does
            trouble()

    return swallowing


cut = execute("SELECT pg_terminate_backend(pg_backend_pid())")


@pytest.fixture
def trouble_once(monkeypatch: pytest.MonkeyPatch) -> Callable[[Trouble], None]:
    """Let the handler of `flaky` meet this trouble, the first time that it runs."""

    def arm(trouble: Trouble) -> None:
        flaky.runs.clear()
        left = [trouble]

        def handler(events: Sequence[Event]) -> None:
            if left:
                left.pop()()
            flaky.store(events)

        family = registry.Family(name="flaky", schema=flaky.FlakyPayload, handler=handler)
        monkeypatch.setitem(registry._kinds, "flaky", {registry.ANY_TYPE: family})

    return arm


def settle() -> BatchResult:
    batch = batch_of(value("a", seq=1), value("b", seq=2), value("c"))
    return process_batch(batch.arrivals, batch.poisons)


@pytest.mark.parametrize(
    "trouble",
    [
        raise_state("40P01"),  # deadlock
        raise_state("40001"),  # serialization failure
        raise_state("53100"),  # disk full
        raise_state("55P03"),  # lock not available
        raise_state("25006"),  # read-only
        raise_state("57P01"),  # shutting down
        raise_state("58030"),  # I/O error
        cut,
        wrapped(raise_state("40P01")),
        wrapped(cut),
        swallowed(cut),
    ],
)
def test_an_unfit_database_runs_the_whole_batch_again(
    trouble: Trouble, trouble_once: Callable[[Trouble], None]
) -> None:
    trouble_once(trouble)
    retry_transient(settle, Flag())
    assert statuses() == {"a": ("processed", 1), "b": ("processed", 1), "c": ("processed", 1)}
    assert column("SELECT event_id FROM game_events ORDER BY id") == ["a", "b", "c"]


@pytest.mark.parametrize(
    "trouble",
    [
        raise_state("22012"),  # division by zero
        raise_state("P0001"),
        execute("SELECT * FROM a_table_that_nobody_will_make"),  # no migration is missing
        execute(
            "INSERT INTO processing_deadletter (event_id, reason) VALUES ('nobody', 'x')"
        ),  # a deferrable constraint
        swallowed(raise_state("22012")),  # the transaction is spoilt all the same
        wrapped(raise_state("22012")),
    ],
)
def test_other_errors_are_the_handlers_failure(trouble: Trouble, trouble_once: Callable[[Trouble], None]) -> None:
    """The call for all fails and is undone; run again in halves, all succeed: the trouble came only once."""
    trouble_once(trouble)
    retry_transient(settle, Flag())
    assert statuses() == {"a": ("processed", 1), "b": ("processed", 1), "c": ("processed", 1)}
    assert column("SELECT event_id FROM game_events ORDER BY id") == ["a", "b", "c"]


def test_a_lost_connection_is_told_from_the_handlers_failure(trouble_once: Callable[[Trouble], None]) -> None:
    trouble_once(swallowed(cut))
    with pytest.raises(TransientError):
        settle()


def test_a_missing_migration_is_waited_for(redis: Redis) -> None:
    (last,) = column("SELECT max(name) FROM django_migrations WHERE app = 'ingest'")
    column("UPDATE django_migrations SET name = 'gone' WHERE app = 'ingest' AND name = %s RETURNING name", last)
    try:
        with pytest.raises(Exception, match="does not exist") as caught, transaction() as cursor:
            cursor.execute("SELECT * FROM a_table_of_that_migration")
        assert reset_if_transient(caught.value)
    finally:
        column("UPDATE django_migrations SET name = %s WHERE name = 'gone' RETURNING name", last)


def test_waiting_for_the_database_ends_when_the_process_is_to_stop() -> None:
    stop = Flag()
    stop.set()

    def never() -> None:
        raise TransientError("always")

    with pytest.raises(StoppedError):
        retry_transient(never, stop)


def test_a_bug_is_not_waited_for() -> None:
    def bug() -> None:
        raise TypeError("a bug")

    with pytest.raises(TypeError):
        retry_transient(bug, Flag())


# --- a step back ---


def missing_table() -> ProgrammingError:
    with pytest.raises(ProgrammingError) as caught:
        execute("SELECT FROM a_table_that_was_taken")()
    return caught.value


def test_a_step_back_is_waited_for_whose_record_comes_after_its_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Django makes it: in two transactions, between which no migration seems to be lacking."""
    record = execute("UPDATE django_migrations SET name = '-' || name WHERE app = 'revenue' AND name LIKE '0003%'")
    monkeypatch.setattr(schema, "_in_vain_at", -math.inf)
    monkeypatch.setattr(schema, "sleep", lambda _: record())
    try:
        assert is_transient(missing_table())
    finally:
        execute("UPDATE django_migrations SET name = ltrim(name, '-') WHERE app = 'revenue'")()


def test_a_mistake_in_a_statement_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(schema, "STEP_BACK_S", 0.2)
    monkeypatch.setattr(schema, "_in_vain_at", -math.inf)
    monkeypatch.setattr(schema, "LOOK_S", 0.01)
    monkeypatch.setattr(schema, "sleep", waits.append)
    assert not is_transient(missing_table())
    assert waits
    waits.clear()
    assert not is_transient(missing_table())
    assert waits == []
