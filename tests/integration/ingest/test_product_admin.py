"""The operator's pages of product events."""

from __future__ import annotations

import pytest
from django.test import Client

from ingest.families.product_events.models import ProductEvent
from tests.support.factories import InboxEventFactory, ProductEventFactory
from tests.support.operator_pages import change, changelist, listed, page

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, {"old", "new", "odd"}),
        ({"unknown": "yes"}, {"odd"}),
        ({"type": "product.viewed"}, {"new"}),
        ({"q": "ol"}, {"old"}),
        ({"q": "u-2"}, {"new"}),
    ],
)
def test_the_list_is_filtered(operator: Client, query: dict[str, str], expected: set[str]) -> None:
    ProductEventFactory.create(event_id="old")
    ProductEventFactory.create(event_id="new", event_type="product.viewed", user_id="u-2")
    ProductEventFactory.create(event_id="odd", unknown_fields={"giftWrap": True})
    keys = {str(row.pk): row.event_id for row in ProductEvent.objects.all()}
    assert {keys[key] for key in listed(operator, changelist("productevent", "ingest", **query))} == expected


def test_it_and_the_inbox_are_linked(operator: Client) -> None:
    row = ProductEventFactory.create(event_id="e/1", v2=True, unknown_fields={"giftWrap": True})
    InboxEventFactory.create(id="e/1", family="product")
    own, inbox = change("productevent", row.pk, "ingest"), change("inboxevent", "e/1")
    shown = page(operator, own)
    assert inbox in shown
    assert all(text in shown for text in ("29.33", "SPRING10", "Ambler", "giftWrap"))
    assert own in page(operator, inbox)
    assert operator.post(own, {"category": "x"}).status_code == 403
