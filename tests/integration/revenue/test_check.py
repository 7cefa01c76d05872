"""The proof that revenue adds up, and who tells of it when it does not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.checks import CheckMessage, Tags, run_checks
from django.core.management import call_command
from django.core.management.base import CommandError, SystemCheckError
from django.db import connection
from django.utils import timezone

from processing.models import InboxEvent
from revenue import checks, proof
from revenue.handler import SUBTRACT
from revenue.models import LedgerEntry, UserRevenue
from revenue.proof import prove
from tests.integration.revenue.conftest import change, settle
from tests.support.factories import InboxEventFactory, LedgerEntryFactory, UserRevenueFactory

pytestmark = pytest.mark.django_db(transaction=True)

CHECKED = "checked 2 users with 3 ledger entries"


@pytest.fixture(autouse=True)
def _two_users() -> None:
    """Whose revenue adds up: a has two entries, b one."""
    settle(change("a-1", 30, "a"), change("b-1", "0.10", "b"), change("a-2", 10, "a", SUBTRACT))


def execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def command(**options: Any) -> str:
    """What `check_revenue` says on standard output."""
    out = StringIO()
    call_command("check_revenue", stdout=out, **options)
    return out.getvalue()


def failing_command(**options: Any) -> tuple[list[str], str]:
    """The lines that `check_revenue` says, and how it fails."""
    out = StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("check_revenue", stdout=out, **options)
    assert caught.value.returncode == 1
    first, *lines = out.getvalue().splitlines()
    assert first.startswith("checked ") and first.endswith(":")
    return [line.strip() for line in lines], str(caught.value)


def check(databases: list[str] | None = ["default"]) -> list[CheckMessage]:  # noqa: B006 - nobody changes it
    found = run_checks(tags=[Tags.database], databases=databases)
    return [each for each in found if (each.id or "").startswith("revenue.")]


def test_what_was_settled_adds_up() -> None:
    assert command() == f"{CHECKED}: all of it adds up\n"
    assert check() == []


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        (
            "UPDATE users_revenue SET revenue = 19.99 WHERE user_id = 'a'",
            "'a': the balance is 19.99, its ledger entries add up to 20.00",
        ),
        (
            "UPDATE users_revenue SET entries = 3 WHERE user_id = 'a'",
            "'a': the balance counts 3 entries, the ledger has 2",
        ),
        (
            "UPDATE revenue_ledgerentry SET amount = 0 WHERE event_id = 'a-2'",
            "'a': the balance is 20.00, its ledger entries add up to 30.00",
        ),
        (
            "UPDATE revenue_ledgerentry SET number = 3 WHERE event_id = 'a-2'",
            "'a': the ledger numbers 2 entries from 1 to 3",
        ),
        (
            "UPDATE revenue_ledgerentry SET number = 0 WHERE event_id = 'a-1'",
            "'a': the ledger numbers 2 entries from 0 to 2",
        ),
        (
            "DELETE FROM users_revenue WHERE user_id = 'a'",
            "'a': there is no balance, but 2 entries in the ledger, 20.00 in all",
        ),
        (
            "INSERT INTO users_revenue VALUES ('c', 1, 1)",
            "'c': the balance is 1.00 of 1 entry, but the ledger has none",
        ),
        (
            "INSERT INTO users_revenue VALUES ('c', 0, 0)",
            "'c': the balance is 0.00 of 0 entries, but the ledger has none",
        ),
    ],
)
def test_a_balance_that_is_not_its_ledgers_sum_is_named_with_both_numbers(damage: str, finding: str) -> None:
    execute(damage)
    lines, error = failing_command()
    assert lines[0] == finding
    assert error.endswith("(--show for more)")
    (message,) = check()
    assert (message.id, message.is_serious()) == ("revenue.E001", True)
    assert message.msg == f"revenue does not add up for 1 user: {finding}"
    assert "check_revenue" in (message.hint or "")


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        (
            "DELETE FROM revenue_ledgerentry WHERE event_id = 'b-1'",
            "'b': event 'b-1' is processed, but has no ledger entry",
        ),
        (
            "UPDATE processing_inboxevent SET status = 'failed' WHERE id = 'b-1'",
            "'b': ledger entry 1 is of event 'b-1', which is no processed one of this user",
        ),
        (
            "UPDATE processing_inboxevent SET family = '' WHERE id = 'b-1'",
            "'b': ledger entry 1 is of event 'b-1', which is no processed one of this user",
        ),
        (
            "UPDATE processing_inboxevent SET user_id = 'c' WHERE id = 'b-1'",
            "'b': ledger entry 1 is of event 'b-1', which is no processed one of this user",
        ),
        (
            "UPDATE processing_inboxevent SET id = 'x' WHERE id = 'b-1'",
            "'b': ledger entry 1 is of event 'b-1', which is no processed one of this user",
        ),
    ],
)
def test_an_entry_without_its_event_or_an_event_without_its_entry_is_named(damage: str, finding: str) -> None:
    execute(damage)
    lines, _ = failing_command()
    assert finding in lines


def test_events_that_have_not_taken_effect_have_no_entry() -> None:
    InboxEventFactory.create(type="add_revenue", family="revenue", retrying=True)
    InboxEventFactory.create(type="add_revenue", family="revenue", skipped=True)
    InboxEventFactory.create(type="page.viewed")
    assert prove(1).wrong == 0


class TestIdsThatAreForgotten:
    @pytest.fixture(autouse=True)
    def _oldest_is_gone(self) -> None:
        InboxEvent.objects.filter(id="b-1").update(received_at=timezone.now() - timedelta(days=40))
        LedgerEntry.objects.filter(pk="b-1").update(created_at=timezone.now() - timedelta(days=40))
        InboxEvent.objects.filter(id="b-1").delete()

    def test_an_entry_outlives_its_event(self, settings: Any) -> None:
        settings.RETENTION_FORGET_DAYS = 30
        assert prove(1).wrong == 0

    def test_also_where_they_are_kept_again_since(self) -> None:
        assert prove(1).wrong == 0

    def test_also_one_that_took_effect_long_after_it_was_received(self, settings: Any) -> None:
        settings.RETENTION_FORGET_DAYS = 30
        LedgerEntry.objects.filter(pk="b-1").update(created_at=timezone.now())
        assert prove(1).wrong == 0

    def test_an_event_that_is_there_is_told_all_the_same(self, settings: Any) -> None:
        settings.RETENTION_FORGET_DAYS = 30
        LedgerEntry.objects.filter(pk="a-2").delete()
        InboxEvent.objects.filter(pk="a-1").update(status="skipped")
        assert len(prove(9).lines) == 3  # the balance of a, its entry a-1, its event a-2


class TestManyErrors:
    @pytest.fixture(autouse=True)
    def _thirty(self) -> None:
        for number in range(30):
            UserRevenueFactory.create(user_id=f"u-{number:02}")

    def test_the_command_names_the_first_and_counts_all(self) -> None:
        lines, error = failing_command()
        assert len(lines) == 20 and lines[0].startswith("'u-00': the balance is 29.33 of 1 entry")
        assert error == "30 errors, shown above: 20 (--show for more)"
        assert len(failing_command(show=30)[0]) == 30

    def test_the_check_names_five(self) -> None:
        (message,) = check()
        assert message.msg.startswith("revenue does not add up for 30 users: 'u-00': the balance is 29.33 of 1 entry")
        assert message.msg.count("u-0") == 5 and message.msg.endswith(". …")

    def test_none_is_no_number_to_show(self) -> None:
        with pytest.raises(CommandError, match="--show must be at least 1"):
            command(show=0)


class TestTheCheck:
    def test_without_a_database_named_it_asks_none(self, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(0):
            assert check(None) == check([]) == []

    def test_migrate_is_stopped_by_it_and_goes_on_when_told_to(self) -> None:
        UserRevenue.objects.update(revenue=0)
        with pytest.raises(SystemCheckError, match=r"revenue\.E001.*\n.*--skip-checks"):
            call_command("migrate", skip_checks=False, verbosity=0)
        call_command("migrate", skip_checks=True, verbosity=0)

    def test_it_gives_up_on_what_takes_too_long(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(checks, "TIMEOUT_MS", 50)
        with psycopg.connect(**{**connection.get_connection_params(), "cursor_factory": None}) as other:
            other.execute("LOCK TABLE revenue_ledgerentry IN ACCESS EXCLUSIVE MODE")
            (message,) = check()
        assert (message.id, message.is_serious()) == ("revenue.W001", False)
        assert message.msg == "revenue was not checked: the ledger takes longer to read than 50 ms."

    def test_the_limit_goes_with_its_transaction(self) -> None:
        check()
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone() == ("0",)

    def test_another_fault_of_the_database_is_no_finding(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(proof, "WRONG_BALANCES", "SELECT 1/0, %s")
        with pytest.raises(Exception, match="division by zero"):
            check()


def test_all_is_looked_at_as_it_stood_at_one_instant() -> None:
    """Another session settles a batch between the proof's statements."""

    def settle_elsewhere() -> None:
        try:
            settle(change("a-3", 1, "a"), change("c-1", 1, "c"))
        finally:
            connection.close()

    with proof._snapshot() as cursor:
        cursor.execute(proof.TOTALS)
        before = cursor.fetchone()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(settle_elsewhere).result()
        assert proof._wrong_balances(cursor, 1) == proof._wrong_events(cursor, 1) == ([], 0)
        cursor.execute(proof.TOTALS)
        assert cursor.fetchone() == before == (2, 3)
    assert prove(1) == proof.Proof(3, 5, 0, [])


def test_an_entry_that_nobody_knows_of_is_found_however_young() -> None:
    LedgerEntryFactory.create(event_id="made up", user_id="b", number=2, amount=0)
    UserRevenue.objects.filter(pk="b").update(entries=2)
    assert check() == []
    assert failing_command()[0] == ["'b': ledger entry 2 is of event 'made up', which is no processed one of this user"]
