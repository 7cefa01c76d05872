"""The operator's pages of revenue."""

from __future__ import annotations

from html import unescape

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.support.factories import InboxEventFactory, LedgerEntryFactory, UserRevenueFactory
from tests.support.operator_pages import ODD_IDS, change, changelist, listed, page

pytestmark = pytest.mark.django_db(transaction=True)

APP = "revenue"


def test_every_list_opens_empty_and_filled(operator: Client) -> None:
    for filled in range(2):
        page(operator, reverse("admin:index"))
        for model in ("userrevenue", "ledgerentry"):
            page(operator, changelist(model, APP))
        UserRevenueFactory.create(user_id=f"u-{filled}")
        LedgerEntryFactory.create(number=filled)


def test_a_user_is_found_by_the_beginning_of_its_id_or_by_its_balance(operator: Client) -> None:
    UserRevenueFactory.create(user_id="ann", revenue="-0.01")
    UserRevenueFactory.create(user_id="bob", revenue=0)
    assert listed(operator, changelist("userrevenue", APP)) == ["ann", "bob"]
    assert listed(operator, changelist("userrevenue", APP, q="bo")) == ["bob"]
    assert listed(operator, changelist("userrevenue", APP, balance="below")) == ["ann"]
    assert listed(operator, changelist("userrevenue", APP, balance="not_below")) == ["bob"]
    assert listed(operator, changelist("userrevenue", APP, balance="garbage")) == ["ann", "bob"]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, ["b-1", "a-2", "a-1"]),
        ({"user": "a"}, ["a-2", "a-1"]),
        ({"q": "a"}, ["a-2", "a-1"]),
        ({"q": "b-"}, ["b-1"]),
        ({"change": "below"}, ["a-2"]),
        ({"change": "not_below"}, ["b-1", "a-1"]),
        ({"user": "a", "change": "not_below"}, ["a-1"]),
        ({"user": "\0"}, []),
    ],
)
def test_entries_are_filtered_a_users_newest_first(
    operator: Client, parameters: dict[str, str], expected: list[str]
) -> None:
    LedgerEntryFactory.create(event_id="a-1", user_id="a", number=1)
    LedgerEntryFactory.create(event_id="a-2", user_id="a", number=2, amount="-5")
    LedgerEntryFactory.create(event_id="b-1", user_id="b")
    assert listed(operator, changelist("ledgerentry", APP, **parameters)) == expected


def test_no_list_counts_its_table(operator: Client) -> None:
    LedgerEntryFactory.create()
    with CaptureQueriesContext(connection) as queries:
        pages = [page(operator, changelist(model, APP)) for model in ("ledgerentry", "userrevenue")]
    assert not [query for query in queries if "COUNT(" in query["sql"]]
    assert all("on this page" in html and " result" not in html for html in pages)


@pytest.mark.parametrize("id", ODD_IDS)
def test_balance_ledger_and_inbox_lead_to_each_other_whatever_the_ids(operator: Client, id: str) -> None:
    InboxEventFactory.create(id=id, user_id=id, family="revenue")
    UserRevenueFactory.create(user_id=id)
    LedgerEntryFactory.create(event_id=id, user_id=id)
    balance, entry, event = change("userrevenue", id, APP), change("ledgerentry", id, APP), change("inboxevent", id)
    assert balance in unescape(page(operator, changelist("userrevenue", APP)))
    html = unescape(page(operator, balance))
    assert changelist("ledgerentry", APP, user=id) in html
    assert changelist("inboxevent", user=id) in html
    assert listed(operator, changelist("ledgerentry", APP, user=id)) == [id]
    html = unescape(page(operator, entry))
    assert balance in html and event in html and "29.33" in html
    html = unescape(page(operator, event))
    assert entry in html and "ledger entry 1" in html
    assert "<script>alert" not in page(operator, entry) + page(operator, balance)


def test_an_event_that_has_no_entry_leads_to_none(operator: Client) -> None:
    InboxEventFactory.create(id="e-1", family="revenue")
    assert change("ledgerentry", "e-1", APP) not in page(operator, change("inboxevent", "e-1"))


def test_nothing_can_be_added_changed_or_deleted(operator: Client) -> None:
    UserRevenueFactory.create()
    LedgerEntryFactory.create(event_id="e-1")
    for model, key in (("userrevenue", "u-1"), ("ledgerentry", "e-1")):
        assert operator.post(change(model, key, APP), {"revenue": "1"}).status_code == 403
        assert operator.get(reverse(f"admin:revenue_{model}_add")).status_code == 403
        delete = reverse(f"admin:revenue_{model}_delete", args=[key])
        assert operator.post(delete, {"post": "yes"}).status_code == 403
