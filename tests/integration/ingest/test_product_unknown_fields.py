"""Fields of product events that no schema version knows: kept, told and counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from django.test import Client
from structlog.testing import capture_logs

from ingest.events import PRODUCT
from ingest.families.product_events.models import ProductEvent
from tests.integration.ingest.test_product_events import ADDRESS, V1, V2, consume, consume_body
from tests.support.factories import ProductEventFactory

pytestmark = pytest.mark.django_db(transaction=True)


class TestUnknownFields:
    def test_they_are_kept_as_they_stood_beside_what_is_known(self) -> None:
        row = consume_body(V2, giftWrap={"paper": "red"}, shippingAddress={**ADDRESS, "floor": 3})
        assert row.unknown_fields == {"giftWrap": {"paper": "red"}, "shippingAddress": {"floor": 3}}
        assert row.shipping_address == ADDRESS
        assert row.metadata == {}

    def test_what_belongs_to_the_pipeline_is_not_among_them(self) -> None:
        assert consume_body(V1, seq=1, fail=False).unknown_fields is None

    def test_a_batch_is_told_once_and_names_ten_fields(self) -> None:
        with capture_logs() as lines:
            consume(
                orjson.dumps({**V1, **{f"new{number:02}": 1 for number in range(20)}}),
                orjson.dumps({**V2, "eventId": "e-2", "shippingAddress": {**ADDRESS, "floor": 3}}),
                orjson.dumps({**V1, "eventId": "e-3"}),
            )
        (told,) = [line for line in lines if "unknown_fields" in line["event"]]
        assert (told["log_level"], told["events"]) == ("warning", 2)
        assert told["fields"] == [f"new{number:02}" for number in range(10)]

    def test_the_name_of_a_nested_one_says_where_it_was(self) -> None:
        with capture_logs() as lines:
            consume_body(V2, shippingAddress={**ADDRESS, "floor": 3})
        assert [line["fields"] for line in lines if "fields" in line] == [["shippingAddress.floor"]]

    def test_no_line_without_any(self) -> None:
        with capture_logs() as lines:
            consume_body(V1)
        assert not [line for line in lines if line["log_level"] == "warning"]


class TestTheMetric:
    @pytest.fixture(autouse=True)
    def _nothing_cached(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(PRODUCT.metrics[0], "_until", 0.0)

    def test_it_counts_the_rows_that_hold_some(self, client: Client) -> None:
        ProductEventFactory.create_batch(2, unknown_fields={"giftWrap": True})
        ProductEventFactory.create()
        assert "\nproduct_events_with_unknown_fields 2.0\n" in client.get("/metrics").content.decode()

    def test_it_is_asked_of_the_database_once_in_a_while(
        self, client: Client, django_assert_num_queries: Callable[..., Any]
    ) -> None:
        with django_assert_num_queries(1):
            client.get("/metrics"), client.get("/metrics")

    def test_it_is_absent_while_the_database_cannot_say(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ProductEvent._meta, "db_table", "no_such_table")
        with capture_logs() as lines:
            page = client.get("/metrics")
        assert page.status_code == 200
        assert "product_events_with_unknown_fields" not in page.content.decode()
        assert ["no_such_table" in line["error"] for line in lines] == [True]
