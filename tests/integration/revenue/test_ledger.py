"""What becomes of revenue events: balances that are the sums of their ledgers."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import orjson
import pytest
from django.db import connection, transaction

from processing.domain.envelope import Event
from processing.engine.release import release_lanes
from processing.models import DeadLetter, InboxEvent
from revenue.handler import ADD, SUBTRACT, RevenuePayload, change_revenue, lock_balances
from revenue.models import LedgerEntry, UserRevenue
from revenue.proof import prove
from tests.integration.revenue.conftest import balances, change, ledger, settle
from tests.paths import DATA
from tests.support.batches import column, retry_all, statuses, value
from tests.support.factories import LedgerEntryFactory, ProductEventFactory, UserRevenueFactory
from tests.support.locks import somebody_waits_for_a_lock

BATCH = 50

pytestmark = pytest.mark.django_db(transaction=True)


def event(id: str, user: str, amount: str = "1") -> Event:
    payload = RevenuePayload(amount)
    return Event(id, user, ADD, "revenue", None, False, 0, b"", payload)


def lines() -> list[bytes]:
    """The test data as Kafka values."""
    bodies = [orjson.loads(line) for line in (DATA / "revenue_events.jsonl").read_bytes().splitlines()]
    return [change(f"e-{n}", body["value"], body["userId"], body["name"]) for n, body in enumerate(bodies)]


class TestBalances:
    def test_what_is_added_and_taken_stands_in_the_ledger_in_its_order(self) -> None:
        settle(change("e-1", 29.33), change("e-2", 9.33, type=SUBTRACT), change("e-3", 1))
        assert balances() == {"u": ("21.00", 3)}
        assert ledger() == [(1, "e-1", "29.33"), (2, "e-2", "-9.33"), (3, "e-3", "1.00")]

    def test_numbers_go_on_in_the_next_batch_users_mixed(self) -> None:
        settle(change("e-1", 1, "a"), change("e-2", 1, "b"), change("e-3", 1, "a"))
        settle(change("e-4", 1, "b"), change("e-5", 1, "a"), change("e-6", 1, "c"))
        assert [(number, id) for number, id, _ in ledger("a")] == [(1, "e-1"), (2, "e-3"), (3, "e-5")]
        assert [(number, id) for number, id, _ in ledger("b")] == [(1, "e-2"), (2, "e-4")]
        assert balances() == {"a": ("3.00", 3), "b": ("2.00", 2), "c": ("1.00", 1)}

    def test_the_same_event_again_changes_nothing(self) -> None:
        messages = [change("e-1", 5), change("e-1", 5), change("e-2", 2, type=SUBTRACT)]
        settle(*messages)
        before = balances(), ledger()
        settle(*messages)
        settle(messages[2], change("e-1", 700))
        assert (balances(), ledger()) == before == ({"u": ("3.00", 2)}, ledger())

    def test_a_balance_goes_below_zero(self) -> None:
        settle(change("e-1", 5), change("e-2", "7.50", type=SUBTRACT))
        assert balances() == {"u": ("-2.50", 2)}

    @pytest.mark.parametrize(
        ("amounts", "revenue"),
        [
            ([0.1, 0.2], "0.30"),
            (["0.10", 0.2, "0"], "0.30"),
            ([0], "0.00"),
            ([29.33] * 100, "2933.00"),
            (["9007199254740.93", 0.01], "9007199254740.94"),  # in cents beyond 2^53
            (["9999999999999.99"] * 1_000, "9999999999999990.00"),
        ],
    )
    def test_sums_are_exact(self, amounts: Sequence[object], revenue: str) -> None:
        settle(*(change(f"e-{n}", amount) for n, amount in enumerate(amounts)))
        assert balances() == {"u": (revenue, len(amounts))}

    def test_a_balance_has_room_for_whatever_comes(self) -> None:
        settle(change("e-1", 1))
        UserRevenue.objects.update(revenue=Decimal("9" * 40))
        settle(change("e-2", "9999999999999.99"))
        assert column("SELECT revenue::text FROM users_revenue") == ["1" + "0" * 27 + "9999999999998.99"]

    def test_users_are_told_apart_by_bytes(self) -> None:
        users = ["u", "U", "ü", "u\u0308", "u ", "u/1", "'\"\\{}", "😀", "NULL"]
        settle(*(change(f"e-{n}", n, user) for n, user in enumerate(users)))
        assert balances() == {user: (f"{n}.00", 1) for n, user in enumerate(users)}

    def test_a_type_of_its_own_needs_no_family(self) -> None:
        settle(change("e-1", 5, family=None), change("e-2", 3, type=SUBTRACT, family=None))
        assert balances() == {"u": ("2.00", 2)}
        assert set(InboxEvent.objects.values_list("family", flat=True)) == {"revenue"}

    def test_another_type_or_another_payload_is_poison(self) -> None:
        settle(change("e-1", 5, type="page.viewed"), change("e-2", -5), change("e-3", "5.001"), change("e-4", 5))
        assert balances() == {"u": ("5.00", 1)}
        assert DeadLetter.objects.filter(reason="poison").count() == 3

    def test_a_purchase_changes_no_revenue(self) -> None:
        product: dict[str, Any] = {"productId": "sku-1", "productName": "Reading lamp", "price": 29.33}
        settle(change("e-1", 5), value("e-2", family="product", type="product.purchased", **product))
        ProductEventFactory.create(user_id="u")
        assert balances() == {"u": ("5.00", 1)}

    def test_a_file_settled_in_batches_is_what_is_expected_of_it(self) -> None:
        messages = lines()
        for start in range(0, len(messages), BATCH):
            settle(*messages[start : start + BATCH])
            settle(*messages[max(0, start - BATCH // 2) : start + BATCH])  # a redelivery
        assert {user: revenue for user, (revenue, _) in balances().items()} == orjson.loads(
            (DATA / "revenue_expected.json").read_bytes()
        )
        assert prove(1).wrong == 0


class TestFailures:
    def test_those_between_failing_ones_count_and_the_failing_ones_do_not(self) -> None:
        settle(
            change("e-1", 10),
            value("e-2", "u", family="revenue", type=ADD, value=100, fail=True),
            change("e-3", 4, type=SUBTRACT),
            value("e-4", "u", family="revenue", type=SUBTRACT, value=100, fail=True),
            change("e-5", 1),
        )
        assert balances() == {"u": ("7.00", 3)}
        assert [id for _, id, _ in ledger()] == ["e-1", "e-3", "e-5"]
        assert statuses()["e-2"] == statuses()["e-4"] == ("retrying", 1)

    @pytest.mark.parametrize("guilty", range(7))
    def test_the_guilty_one_is_found_and_leaves_no_hole_in_the_numbers(self, guilty: int, hints_off: None) -> None:
        """An entry that should not be there yet makes its event's handler fail."""
        stranger = LedgerEntryFactory.create(event_id=f"e-{guilty}", user_id="stranger")
        settle(*(change(f"e-{n}", n + 1) for n in range(7)))
        others = [n for n in range(7) if n != guilty]
        assert ledger() == [(place, f"e-{n}", f"{n + 1}.00") for place, n in enumerate(others, 1)]
        assert balances() == {"u": (f"{28 - guilty - 1}.00", 6)}
        assert statuses()[f"e-{guilty}"] == ("retrying", 1)
        stranger.delete()
        retry_all()
        assert ledger()[6] == (7, f"e-{guilty}", f"{guilty + 1}.00")
        assert balances() == {"u": ("28.00", 7)}

    def test_events_with_seq_are_entered_in_its_order(self) -> None:
        settle(*(value(f"e-{seq}", "u", family="revenue", type=ADD, value=seq, seq=seq) for seq in (3, 2)))
        assert balances() == {}
        settle(value("e-1", "u", family="revenue", type=ADD, value=1, seq=1))
        release_lanes({"u"})
        assert ledger() == [(n, f"e-{n}", f"{n}.00") for n in (1, 2, 3)]


class TestManyAtOnce:
    def test_ten_thousand_changes_to_one_user_are_one_update_of_the_balance(self) -> None:
        UserRevenueFactory.create(user_id="hot", revenue=0, entries=0)
        with connection.cursor() as cursor:
            cursor.execute(
                """CREATE TABLE updates (n int);
                   CREATE FUNCTION count_update() RETURNS trigger LANGUAGE plpgsql AS
                     'BEGIN INSERT INTO updates VALUES (1); RETURN NULL; END';
                   CREATE TRIGGER count_update AFTER UPDATE ON users_revenue
                     FOR EACH ROW EXECUTE FUNCTION count_update()"""
            )
        try:
            settle(*(change(f"e-{n}", "0.01", "hot") for n in range(10_000)))
            assert column("SELECT count(*) FROM updates") == [1]
        finally:
            with connection.cursor() as cursor:
                cursor.execute("DROP TABLE updates; DROP FUNCTION count_update() CASCADE")
        assert balances() == {"hot": ("100.00", 10_000)}
        assert ledger("hot")[-1] == (10_000, "e-9999", "0.01")
        assert prove(1).wrong == 0

    def test_two_transactions_of_several_calls_each_do_not_deadlock(self) -> None:
        """Each calls the handler first for the user that the other calls it for last."""
        UserRevenueFactory.create(user_id="a", revenue=0, entries=0)
        UserRevenueFactory.create(user_id="b", revenue=0, entries=0)
        both_locked_or_waiting = threading.Barrier(2)

        def work(name: str, first: str, last: str) -> None:
            try:
                both_locked_or_waiting.wait(10)
                with transaction.atomic():
                    lock_balances([event("", last), event("", first)])
                    for n in range(20):
                        change_revenue([event(f"{name}-{n}-1", first)])
                        change_revenue([event(f"{name}-{n}-2", last)])
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as pool:
            futures = [pool.submit(work, "one", "a", "b"), pool.submit(work, "two", "b", "a")]
            for future in futures:
                future.result()
        assert balances() == {"a": ("40.00", 40), "b": ("40.00", 40)}
        assert prove(1).lines == []

    def test_balances_are_written_in_byte_order(self) -> None:
        users = [f"{first}{n % 7}{n}" for n in range(100) for first in ("b", "A", "ä", "_")]
        settle(*(change(f"e-{place}", 1, user) for place, user in enumerate(users)))
        assert column("SELECT user_id FROM users_revenue ORDER BY ctid") == sorted(users, key=str.encode)

    def test_locking_waits_for_who_has_a_balance_and_holds_no_later_one_meanwhile(self) -> None:
        """Byte order: whoever waits for an earlier user has locked no later one."""
        for user in ("B", "a", "ä"):
            UserRevenueFactory.create(user_id=user)
        is_free = "SELECT user_id FROM users_revenue WHERE user_id <> 'B' ORDER BY 1 FOR UPDATE SKIP LOCKED"

        def lock_all() -> None:
            try:
                with transaction.atomic():
                    lock_balances([event("", user) for user in ("ä", "a", "B", "nobody")])
            finally:
                connection.close()

        with ThreadPoolExecutor(1) as pool:
            with transaction.atomic():
                lock_balances([event("", "B")])
                other = pool.submit(lock_all)
                while not somebody_waits_for_a_lock():
                    assert not other.done()
                assert column(is_free) == ["a", "ä"]
            other.result()

    def test_a_user_without_a_balance_is_given_none_by_the_lock(self) -> None:
        with transaction.atomic():
            lock_balances([event("e-1", "nobody")])
        assert not UserRevenue.objects.exists() and not LedgerEntry.objects.exists()
