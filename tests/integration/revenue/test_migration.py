"""The tables of revenue: what they are, and the step back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.core.checks import Tags, run_checks
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from processing.models import InboxEvent
from processing.postgres import migration_steps
from processing.postgres.errors import is_transient
from processing.postgres.migration_steps import _lock
from processing.postgres.schema import missing_migrations
from tests.integration.revenue.conftest import balances, change, settle
from tests.support.batches import column

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _forward_again() -> Iterator[None]:
    yield
    if missing_migrations():
        migrate()


def migrate(*to: str) -> None:
    call_command("migrate", *(("revenue", *to) if to else ()), verbosity=0)


def test_each_table_has_the_indexes_that_are_used_and_no_other() -> None:
    definition = "SELECT indexdef FROM pg_indexes WHERE tablename = %s ORDER BY 1"
    (by_user,) = column(definition, "users_revenue")
    by_event, by_number = sorted(column(definition, "revenue_ledgerentry"), key=lambda each: "number" in each)
    assert by_user == "CREATE UNIQUE INDEX users_revenue_pkey ON public.users_revenue USING btree (user_id)"
    assert (
        by_event == "CREATE UNIQUE INDEX revenue_ledgerentry_pkey ON public.revenue_ledgerentry USING btree (event_id)"
    )
    assert by_number.startswith("CREATE UNIQUE INDEX") and by_number.endswith(" btree (user_id, number)")


def test_a_row_is_complete_without_django() -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO revenue_ledgerentry (event_id, user_id, number, amount) VALUES ('e', 'u', 1, 1)")
    assert column("SELECT created_at IS NOT NULL AND amount::text = '1' FROM revenue_ledgerentry") == [True]


def test_the_step_back_says_what_it_drops_and_leaves_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    settle(change("e-1", 1), change("e-2", 1))
    migrate("zero")
    told = capsys.readouterr().out
    assert "dropping users_revenue: 1 rows" in told
    assert "dropping revenue_ledgerentry: 2 rows" in told
    assert column("SELECT num_nonnulls(to_regclass('users_revenue'), to_regclass('revenue_ledgerentry'))") == [0]


def test_writers_go_on_while_a_reader_of_the_ledger_keeps_the_step_back_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settle(change("e-1", 1))
    for name, value in (("TRIES", 2), ("LOCK_TIMEOUT_MS", 50), ("PAUSE_S", 0.05)):
        monkeypatch.setattr(migration_steps, name, value)
    lock = _lock
    server = {**connection.get_connection_params(), "cursor_factory": None}
    with psycopg.connect(**server) as reader, psycopg.connect(**server, autocommit=True) as writer:
        reader.execute("SELECT count(*) FROM revenue_ledgerentry")
        writer.execute("SET lock_timeout = '1s'")

        def lock_and_write(*arguments: Any) -> bool:
            taken = lock(*arguments)
            writer.execute("UPDATE users_revenue SET revenue = revenue")
            return taken

        monkeypatch.setattr(migration_steps, "_lock", lock_and_write)
        with pytest.raises(CommandError, match=r"users_revenue, revenue_ledgerentry: 2 tries .* process \d+"):
            migrate("zero")
    assert balances() == {"u": ("1.00", 1)}


def test_without_the_tables_events_wait_and_none_is_blamed() -> None:
    migrate("zero")
    with pytest.raises(Exception, match="users_revenue") as caught:
        settle(change("e-1", 1))
    assert is_transient(caught.value)
    assert not InboxEvent.objects.exists()
    migrate()
    settle(change("e-1", 1))
    assert balances() == {"u": ("1.00", 1)}


def test_without_the_tables_there_is_nothing_to_check() -> None:
    migrate("zero")
    assert not run_checks(tags=[Tags.database], databases=["default"])
    with pytest.raises(CommandError, match=r"no tables of revenue yet: run manage\.py migrate"):
        call_command("check_revenue")
