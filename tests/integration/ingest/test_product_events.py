"""Product events: what is let in, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import ANY

import orjson
import pytest
from django.conf import settings as site
from django.db import connection
from django.test import Client

from ingest.events import PRODUCT
from ingest.families.product_events.models import ProductEvent
from ingest.parsing.candidate import Candidate, Context, Refused
from ingest.parsing.forms import parse_form
from processing.consumer.batch import Batch
from processing.domain.envelope import EPOCH, MIN_BARE_MS
from processing.domain.messages import Message, Poison, read_message
from processing.engine.process_batch import process_batch
from processing.kafka.clients import consumed_topics
from processing.models import InboxEvent
from tests.paths import DATA
from tests.support.factories import ProductEventFactory, envelope

CONTEXT = Context(caller="anonymous", now=1_790_000_000_000, max_bytes=262_144)
ADDRESS = {"street": "1 Main St", "city": "Ambler", "state": "PA", "zipCode": "19002", "country": "USA"}
V1 = {
    "eventId": "e-1",
    "eventType": "product.purchased",
    "timestamp": "2026-09-21T14:13:20.5Z",
    "userId": "u-1",
    "productId": "sku-1",
    "productName": "Reading lamp",
    "price": 29.33,
}
V2 = {**V1, "discountCode": "SPRING10", "discountAmount": 2.93, "taxAmount": "2.11", "shippingAddress": ADDRESS}


def without(name: str, body: dict[str, Any] = V1) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}


def with_price(text: str) -> bytes:
    """A body whose price is this JSON text: what a float would not hold stays as it is."""
    return orjson.dumps(without("price"))[:-1] + b',"price":%s}' % text.encode()


def problem_of(body: bytes) -> str:
    """What the door says of it."""
    refused = parse_form(PRODUCT, body, None, CONTEXT)
    assert isinstance(refused, Refused), refused
    return str(refused.error)


def message(value: bytes, offset: int = 0, topic: str = site.KAFKA_PRODUCT_TOPIC) -> Message:
    return Message(topic, 0, offset, None, value)


def consume(*values: bytes, topic: str = site.KAFKA_PRODUCT_TOPIC) -> None:
    """Have messages of the product team processed, as one batch."""
    batch = Batch()
    for offset, value in enumerate(values):
        batch.add(message(value, offset, topic))
    process_batch(batch.arrivals, batch.poisons)


def consume_body(body: dict[str, Any], **changes: Any) -> ProductEvent:
    """The row that a body leaves, with these members beside or instead of its own."""
    consume(orjson.dumps({**body, **changes}))
    return ProductEvent.objects.get()


class TestTheDoor:
    def test_the_smallest_body_is_accepted(self) -> None:
        accepted = parse_form(PRODUCT, orjson.dumps(V1), None, CONTEXT)
        assert isinstance(accepted, Candidate)
        assert (accepted.id, accepted.type, accepted.user_id) == ("e-1", "product.purchased", "u-1")

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            ({"eventId": None}, "eventId: is missing"),
            ({"timestamp": None}, "timestamp: is missing"),
            ({"timestamp": "10000-01-01T00:00:00Z"}, "timestamp: must be Unix milliseconds or an RFC 3339 time with "),
            ({"timestamp": 253_402_300_800_000}, "timestamp: looks like microseconds: send milliseconds or RFC 3339"),
            ({"timestamp": "2026-01-01T00:00:00"}, "timestamp: has no zone: end it with Z"),
            ({"userId": " "}, "userId: is blank"),
            ({"eventType": ""}, "eventType: Expected `str` of length >= 1"),
            ({"productId": None}, "productId: is missing"),
            ({"productId": " "}, "productId: is blank"),
            ({"productName": "\t"}, "productName: is blank"),
            ({"productName": ""}, "productName: Expected `str` of length >= 1"),
            ({"productName": "n" * 256}, "productName: Expected `str` of length <= 255"),
            ({"category": 7}, "category: Expected `str | null`, got `int`"),
            ({"price": None}, "price: is missing"),
            ({"currency": "EURO"}, "currency: Expected `str` of length <= 3"),
            ({"currency": "EU"}, "currency: Expected `str` matching regex '^[A-Z]{3}$'"),
            ({"currency": "eur"}, "currency: Expected `str` matching regex '^[A-Z]{3}$'"),
            ({"currency": "ÄÖÜ"}, "currency: Expected `str` matching regex '^[A-Z]{3}$'"),
            ({"currency": "EUR\n"}, "currency: Expected `str` of length <= 3"),
            ({"quantity": 0}, "quantity: Expected `int` >= 1"),
            ({"quantity": -1}, "quantity: Expected `int` >= 1"),
            ({"quantity": 10**12}, "quantity: Expected `int` <= 2147483647"),
            ({"quantity": 1.5}, "quantity: Expected `int | null`, got `decimal`"),
            ({"quantity": "1"}, "quantity: Expected `int | null`, got `str`"),
            ({"quantity": True}, "quantity: Expected `int | null`, got `bool`"),
            ({"metadata": []}, "metadata: Expected `object | null`, got `array`"),
            ({"discountCode": 10}, "discountCode: Expected `str | null`, got `int`"),
            ({"discountAmount": "ten"}, "discountAmount: must be an amount"),
            ({"discountAmount": -1}, "discountAmount: must be from 0"),
            ({"taxAmount": 0.001}, "taxAmount: has too many decimals for USD: must have at most 2 decimal places"),
            ({"shippingAddress": "1 Main St"}, "shippingAddress: Expected `object | null`, got `str`"),
            ({"shippingAddress": without("country", ADDRESS)}, "shippingAddress.country: is missing"),
            ({"shippingAddress": {**ADDRESS, "country": None}}, "shippingAddress.country: Expected `str`, got `null`"),
            ({"shippingAddress": {**ADDRESS, "floor": 3}}, "shippingAddress.floor: is not a known member"),
            ({"giftWrap": True}, "giftWrap: is not a known member"),
            ({"playerId": "p"}, "playerId: is not a known member"),
        ],
    )
    def test_what_is_wrong_is_named(self, change: dict[str, Any], problem: str) -> None:
        assert problem_of(orjson.dumps({**V1, **change})).startswith(problem)

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("29.333", "price: has too many decimals for USD: must have at most 2 decimal places"),
            (
                "29.330000000000001",
                "price: has too many decimals for USD: must have at most 2 decimal places",
            ),  # 29.33 to a float
            ("90071992547409.93", "price: must be from 0 to below 10^13"),
            ("9007199254740.993", "price: has too many decimals for USD: must have at most 2 decimal places"),
            ("-0.01", "price: must be from 0 to below 10^13"),
            ("1e300", "price: must be from 0 to below 10^13"),
            ("10000000000000", "price: must be from 0 to below 10^13"),
            ("true", "price: must be an amount"),
            ('"NaN"', "price: must be an amount"),
            ("[1]", "price: must be an amount"),
            ("NaN", "price: is NaN, which JSON does not have"),
            ("Infinity", "price: is Infinity, which JSON does not have"),
        ],
    )
    def test_a_price_that_is_no_exact_amount_is_refused(self, text: str, problem: str) -> None:
        assert problem_of(with_price(text)).startswith(problem)

    def test_it_answers_at_its_own_address(self, post: Callable[..., Any], door: str) -> None:
        assert post("/product-events", V1).json() == {"eventId": "e-1", "status": "accepted"}
        assert post("/product-events", V1).json() == {"eventId": "e-1", "status": "duplicate"}
        many = post("/product-events", [{**V2, "eventId": "e-2"}, {**V2, "eventId": "e-3", "quantity": 0}]).json()
        assert [each["status"] for each in many["results"]] == ["accepted", "invalid"]
        assert many["results"][1]["error"] == "[1].quantity: Expected `int` >= 1"


def test_the_product_teams_topic_is_consumed_beside_the_events() -> None:
    assert consumed_topics() == [site.KAFKA_EVENTS_TOPIC, site.KAFKA_PRODUCT_TOPIC]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"not JSON", "the message is not valid JSON"),
        (orjson.dumps(without("eventId")), "eventId: is missing"),
        (orjson.dumps({**V1, "quantity": 10**12}), "quantity: Expected `int` <= 2147483647"),
        (orjson.dumps({**V2, "shippingAddress": without("city", ADDRESS)}), "shippingAddress.city: is missing"),
        (with_price("29.333"), "price: has too many decimals for USD: must have at most 2 decimal places"),
    ],
)
def test_a_message_that_breaks_the_schema_is_poison_with_path_and_reason(value: bytes, reason: str) -> None:
    poison = read_message(message(value))
    assert isinstance(poison, Poison)
    assert poison.error.startswith(reason)


@pytest.mark.django_db(transaction=True)
class TestRows:
    def test_v1_leaves_the_defaults_and_no_v2_columns(self) -> None:
        row = consume_body(V1)
        assert (row.event_id, row.event_type, row.user_id) == ("e-1", "product.purchased", "u-1")
        assert row.timestamp == datetime(2026, 9, 21, 14, 13, 20, 500_000, tzinfo=UTC)
        assert (row.product_id, row.product_name, row.category) == ("sku-1", "Reading lamp", None)
        assert (str(row.price), row.currency, row.quantity, row.metadata) == ("29.33", "USD", 1, {})
        assert (row.discount_code, row.discount_amount, row.tax_amount, row.shipping_address) == (None,) * 4
        assert row.unknown_fields is None
        assert row.created_at == row.updated_at

    def test_v2_fills_its_columns(self) -> None:
        row = consume_body(V2, category="Home", currency="EUR", quantity=3, metadata={"source": "app"})
        assert (row.category, row.currency, row.quantity, row.metadata) == ("Home", "EUR", 3, {"source": "app"})
        assert (row.discount_code, row.shipping_address) == ("SPRING10", ADDRESS)
        assert (str(row.discount_amount), str(row.tax_amount)) == ("2.93", "2.11")
        assert row.unknown_fields is None

    def test_null_is_left_out(self) -> None:
        body: dict[str, Any] = {name: V1[name] for name in ("productId", "productName", "price")}
        optional = ("category", "currency", "quantity", "metadata", "discountCode", "discountAmount", "taxAmount")
        body |= dict.fromkeys((*optional, "shippingAddress"))
        consume(envelope("e-1", family="product", **body), topic=site.KAFKA_EVENTS_TOPIC)
        row = ProductEvent.objects.get()
        assert (row.category, row.currency, row.quantity, row.metadata) == (None, "USD", 1, {})
        assert (row.discount_code, row.discount_amount, row.tax_amount, row.shipping_address) == (None,) * 4
        assert row.unknown_fields is None

    @pytest.mark.parametrize(
        ("text", "amount"),
        [
            ("0.10", "0.10"),
            ('"0.10"', "0.10"),
            ("0", "0.00"),
            ("9999999999999.99", "9999999999999.99"),
            ('"9007199254740.99"', "9007199254740.99"),
            ("9007199254740.99", "9007199254740.99"),  # in cents beyond 2^53
            ("1e3", "1000.00"),
        ],
    )
    def test_money_is_exact(self, text: str, amount: str) -> None:
        consume(with_price(text))
        assert str(ProductEvent.objects.get().price) == amount

    def test_sums_of_files_agree_to_the_cent_v1_and_v2_mixed(self) -> None:
        lines = [(DATA / f"product_events_{version}.jsonl").read_bytes().splitlines() for version in ("v1", "v2")]
        mixed = [line for pair in zip(*lines, strict=True) for line in pair]
        consume(*mixed)
        consume(*mixed)  # a redelivery
        bodies = [orjson.loads(line) for line in mixed]
        rows = ProductEvent.objects.all()
        assert len(rows) == len(mixed) == 600
        assert sum(row.price for row in rows) == sum(Decimal(str(body["price"])) for body in bodies)
        sent = {body["eventId"] for body in bodies if "shippingAddress" in body}
        assert {row.event_id for row in rows if row.shipping_address} == sent
        assert {row.event_id for row in rows if row.tax_amount is not None} == sent

    def test_a_bad_message_leaves_the_others_alone(self) -> None:
        consume(orjson.dumps(V1), orjson.dumps({**V2, "eventId": "bad", "quantity": 0}))
        assert [row.event_id for row in ProductEvent.objects.all()] == ["e-1"]
        assert InboxEvent.objects.filter(dead_letter__reason="poison").count() == 1

    def test_the_last_and_first_times_fit(self) -> None:
        consume(
            orjson.dumps({**V1, "eventId": "last", "timestamp": "9999-12-31T23:59:59Z"}),
            orjson.dumps({**V1, "eventId": "first", "timestamp": "0001-01-01T00:00:00Z"}),
        )
        assert {row.event_id: row.timestamp.year for row in ProductEvent.objects.all()} == {"last": 9999, "first": 1}

    def test_the_database_has_the_defaults_of_its_own(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO product_events (event_id, event_type, timestamp, user_id, product_id, product_name, price)"
                " VALUES ('by hand', 't', now(), 'u', 'p', 'n', 1)"
            )
        row = ProductEvent.objects.get()
        assert (row.currency, row.quantity, row.metadata) == ("USD", 1, {})
        assert row.created_at == row.updated_at

    def test_a_change_by_anybody_is_dated(self) -> None:
        row = ProductEventFactory.create()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE product_events SET category = 'Home'")
        row.refresh_from_db()
        assert row.updated_at > row.created_at

    def test_clients_read_it_back(self, client: Client) -> None:
        consume(orjson.dumps({**V2, "eventId": "e-2"}), orjson.dumps(V1))  # at one time
        newest, oldest = client.get("/product-events", {"userId": "u-1"}).json()["events"]
        assert newest.pop("processing") == oldest.pop("processing") == {"status": "processed", "processedAt": ANY}
        shown = {"timestamp": 1_790_000_000_500, "price": "29.33", "currency": "USD", "quantity": 1, "metadata": {}}
        assert newest == {**V1, **shown}
        assert oldest == {**V2, **shown, "eventId": "e-2", "discountAmount": "2.93", "taxAmount": "2.11"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("stamp", [-62_135_596_799_999, -1, 99_999_999_999_999, 253_402_300_799_999])
def test_a_time_of_any_century_is_told_as_it_was_sent(client: Client, stamp: int) -> None:
    sent = (EPOCH + timedelta(milliseconds=stamp)).isoformat() if stamp < MIN_BARE_MS else stamp
    consume_body(V1, timestamp=sent)
    for path in ("/product-events", "/events"):
        (shown,) = client.get(path).json()["events"]
        assert shown["timestamp"] == stamp
