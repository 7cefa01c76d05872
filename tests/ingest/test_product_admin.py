"""The operator's pages of product events."""

from __future__ import annotations

import pytest
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse

from tests.factories import InboxEventFactory, ProductEventFactory

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
    listed = operator.get(reverse("admin:ingest_productevent_changelist", query=query)).context["cl"].result_list
    assert {row.event_id for row in listed} == expected


def test_it_and_the_inbox_are_linked(operator: Client) -> None:
    row = ProductEventFactory.create(event_id="e/1", v2=True, unknown_fields={"giftWrap": True})
    InboxEventFactory.create(id="e/1", family="product")
    own = reverse("admin:ingest_productevent_change", args=[row.pk])
    inbox = reverse("admin:processing_inboxevent_change", args=[quote("e/1")])
    page = operator.get(own).content.decode()
    assert inbox in page
    assert all(text in page for text in ("29.33", "SPRING10", "Ambler", "giftWrap"))
    assert own in operator.get(inbox).content.decode()
    assert operator.post(own, {"category": "x"}).status_code == 403
