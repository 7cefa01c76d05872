"""What every transaction sets for itself, and that nothing of a session outlives it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from django.core.checks import CheckMessage
from django.db import OperationalError, connection
from django.db import transaction as django_transaction
from redis import Redis

from processing.models import InboxEvent
from processing.postgres.backend import base
from processing.postgres.checks import check_sessions
from processing.postgres.transaction import transaction
from tests.support.batches import store, value

pytestmark = pytest.mark.django_db(transaction=True)

SHOW = "SHOW idle_in_transaction_session_timeout"


@pytest.fixture(autouse=True)
def _new_session() -> None:
    connection.close()


@pytest.mark.parametrize("begin", [transaction, django_transaction.atomic], ids=["ours", "the ORM's"])
def test_a_transaction_has_its_timeout_and_its_session_keeps_none(
    begin: Callable[[], AbstractContextManager[object]],
) -> None:
    before = _value(SHOW)
    with begin():
        assert _value(SHOW) == "5s"
    assert _value(SHOW) == before


def test_the_timeout_costs_no_message_of_its_own() -> None:
    connection.ensure_connection()
    with _messages() as sent, django_transaction.atomic():
        InboxEvent.objects.first()
    assert len(sent) == len(["BEGIN and its timeout", "the query", "COMMIT"])


def test_a_lost_connection_is_told_when_a_transaction_begins_and_the_next_has_a_new_one() -> None:
    connection.ensure_connection()
    connection.connection.pgconn.finish()
    with pytest.raises(OperationalError), django_transaction.atomic():
        pytest.fail("began")
    with transaction():
        assert _value(SHOW) == "5s"


def test_a_batch_leaves_nothing_in_its_session(redis: Redis) -> None:
    for number in range(2):
        store(value(f"e-{number}", seq=number + 1))
    tables = "SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND pg_table_is_visible(oid)"
    settings = "SELECT count(*) FROM pg_settings WHERE source = 'session' AND name NOT IN ('TimeZone')"
    locks = "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'"
    prepared = "SELECT count(*) FROM pg_prepared_statements"
    listening = "SELECT count(*) FROM pg_listening_channels()"
    assert [_value(each) for each in (tables, settings, locks, prepared, listening)] == [0] * 5


def test_the_check_is_content() -> None:
    assert _check() == []


def test_the_check_names_a_timeout_that_is_not_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "BEGIN", "BEGIN")
    [message] = _check()
    assert (message.id, message.msg) == (
        "processing.E001",
        "idle_in_transaction_session_timeout is 0 in a transaction, not 5s.",
    )


def test_the_check_names_keepalives_that_are_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "keepalives", "0")
    [message] = _check()
    assert (message.id, message.msg) == (
        "processing.W001",
        "a cut connection to the database is noticed by nobody.",
    )


def _check() -> list[CheckMessage]:
    return check_sessions(app_configs=None, databases=["default"])


def _value(query: str) -> object:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone()[0]


@contextmanager
def _messages() -> Iterator[list[str]]:
    """The queries that are sent to the server meanwhile, each a message."""
    sent: list[str] = []
    with tempfile.TemporaryFile("w+") as trace:
        connection.connection.pgconn.trace(trace.fileno())
        yield sent
        connection.connection.pgconn.untrace()
        trace.seek(0)
        sent += [line for line in trace if line.split("\t")[1] == "F" and "Query" in line]
