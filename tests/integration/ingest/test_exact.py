"""Digits and decimals from the wire to Postgres, and from there to clients, handlers and operators."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import orjson
import pytest
from django.db import connection
from django.test import Client

from ingest.families.game_events.models import GameEvent
from ingest.families.product_events.models import ProductEvent
from processing.admin import show
from processing.models import InboxEvent
from tests.integration.ingest.conftest import read_topic
from tests.integration.ingest.test_product_events import V1, V2, consume

pytestmark = pytest.mark.django_db(transaction=True)

DIGITS = b'{"a":9007199254740993.25,"b":[18446744073709551615,1.50],"c":0.10000000000000000001,"d":1e300,"e":-0.0}'
SHOWN = b'{"a": 9007199254740993.25, "b": [18446744073709551615, 1.50], "c": 0.10000000000000000001, '
MEMBERS = {
    "a": Decimal("9007199254740993.25"),
    "b": [18446744073709551615, Decimal("1.50")],
    "c": Decimal("0.10000000000000000001"),
    "d": 10**300,  # jsonb writes it out
    "e": Decimal("0.0"),  # and has no minus zero
}


class Page(msgspec.Struct):
    events: list[dict[str, msgspec.Raw]]


def with_metadata(body: dict[str, Any], **changes: Any) -> bytes:
    return orjson.dumps({**body, **changes})[:-1] + b',"metadata":' + DIGITS + b"}"


def one(sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def answered(client: Client, path: str) -> bytes:
    """The member `metadata` or `data` of the one event that a list shows, as it stands in the answer."""
    page = msgspec.json.decode(client.get(path).content, type=Page)
    (row,) = page.events
    return bytes(row["metadata" if "metadata" in row else "data"])


def test_a_free_member_keeps_its_digits_in_postgres_in_the_model_and_in_the_answer(client: Client) -> None:
    consume(with_metadata(V1))
    assert one("SELECT metadata::text FROM product_events").encode().startswith(SHOWN)
    assert ProductEvent.objects.get().metadata == MEMBERS
    text = answered(client, "/product-events")
    assert text.startswith(SHOWN.replace(b" ", b""))
    assert msgspec.json.decode(text)["d"] == 10**300


def test_the_same_of_an_event_that_was_not_processed(client: Client) -> None:
    consume(with_metadata(V1))
    InboxEvent.objects.update(status="failed")
    assert answered(client, "/product-events?status=failed") == DIGITS.replace(b"1e300", b"1E+300")


def test_an_unknown_member_keeps_its_digits_too() -> None:
    consume(orjson.dumps(V1)[:-1] + b',"gift":' + DIGITS + b"}")
    assert ProductEvent.objects.get().unknown_fields == {"gift": MEMBERS}


def test_the_operator_sees_all_digits() -> None:
    consume(with_metadata(V1))
    assert "9007199254740993.25" in show.json_value(ProductEvent.objects.get().metadata)
    assert "9007199254740993.25" in show.json_text(InboxEvent.objects.get().payload)


def test_what_is_written_by_the_model_keeps_its_digits() -> None:
    consume(with_metadata(V1))
    row = ProductEvent.objects.get()
    row.metadata["n"] = Decimal("9007199254740993.75")
    row.save()
    assert ProductEvent.objects.get().metadata == MEMBERS | {"n": Decimal("9007199254740993.75")}


def test_games_keep_them_as_well(client: Client) -> None:
    body = {"userId": "u", "type": "move", "id": "e", "family": "game", "timestamp": 1_790_000_000_000}
    consume(orjson.dumps(body)[:-1] + b',"payload":{"data":' + DIGITS + b"}}", topic="events")
    assert GameEvent.objects.get().data == MEMBERS
    assert answered(client, "/game-events").startswith(SHOWN.replace(b" ", b""))


@pytest.mark.parametrize(
    ("currency", "price", "stored", "told"),
    [
        ("USD", "7.5", "7.50", "7.50"),
        ("KWD", 1.234, "1.234", "1.234"),
        ("JPY", "500.00", "500", "500"),
        ("IQD", "0.001", "0.001", "0.001"),
        ("CLF", "1e-4", "0.0001", "0.0001"),
    ],
)
def test_an_amount_is_stored_and_told_with_its_currencys_decimals(
    client: Client, currency: str, price: Any, stored: str, told: str
) -> None:
    consume(orjson.dumps({**V2, "currency": currency, "price": price, "discountAmount": 1, "taxAmount": None}))
    assert one("SELECT price::text FROM product_events") == stored
    (row,) = client.get("/product-events").json()["events"]
    assert row["price"] == told
    assert row["discountAmount"].count("0") == len(told.partition(".")[2])


def test_too_many_decimals_for_the_currency_are_a_dead_letter() -> None:
    consume(orjson.dumps({**V1, "currency": "JPY", "price": "7.5"}))
    assert InboxEvent.objects.get().error == "price: has too many decimals for JPY: must have at most 0 decimal places"


def test_a_row_from_before_is_told_with_its_currencys_decimals(client: Client) -> None:
    consume(orjson.dumps({**V1, "currency": "JPY", "price": 500}), orjson.dumps({**V1, "eventId": "odd"}))
    with connection.cursor() as cursor:  # as a scale of two left them
        cursor.execute("UPDATE product_events SET price = 500.00 WHERE event_id = 'e-1'")
        cursor.execute("UPDATE product_events SET price = 7.50, currency = 'JPY' WHERE event_id = 'odd'")
    prices = {row["eventId"]: row["price"] for row in client.get("/product-events").json()["events"]}
    assert prices == {"e-1": "500", "odd": "7.50"}


def test_the_door_passes_digits_on(door: str, post: Callable[..., Any]) -> None:
    body = b'{"userId":"u","type":"t","payload":' + DIGITS + b"}"
    assert post("/events", b"\xef\xbb\xbf" + body).status_code == 202
    (message,) = read_topic(door)
    assert DIGITS in (message.value() or b"")


def test_one_key_and_one_content_by_value(door: str, post: Callable[..., Any]) -> None:
    def send(text: str, stamp: str = '"2026-01-31T12:00Z"') -> Any:
        body = f'{{"userId":"u","type":"t","timestamp":{stamp},"payload":{{"n":{text}}}}}'
        return post("/events", body.encode(), Idempotency_Key="k")

    assert send("1").status_code == 202
    assert [send(text).json()["status"] for text in ("1.0", "1e0", "10E-1")] == ["duplicate"] * 3
    assert send("1", stamp="1769860800000").json()["status"] == "duplicate"
    assert [send(text).status_code for text in ("1.00000000000000000001", "9007199254740993.1")] == [409, 409]
