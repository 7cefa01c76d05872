"""Product events: what a user did with a product."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec
import orjson

from ingest.families.product_events.models import DEFAULT_CURRENCY, DEFAULT_QUANTITY, ProductEvent
from ingest.families.product_events.schema import ProductPayload
from ingest.families.product_events.unknown_fields import tell_unknown, unknown_fields
from ingest.parsing.money import read_money
from processing.domain.decode import dump_json
from processing.domain.envelope import Event
from processing.postgres.databases import connection

# One statement, and no COPY: why, see ingest/families/game_events/handler.py.
INSERT_ROWS = """
INSERT INTO product_events (event_id, event_type, timestamp, user_id, product_id, product_name, category, price,
                            currency, quantity, metadata, unknown_fields,
                            discount_code, discount_amount, tax_amount, shipping_address)
SELECT event_id, event_type, to_timestamp(timestamp_ms / 1000.0), user_id, product_id, product_name, category, price,
       currency, quantity, metadata, unknown_fields,
       discount_code, discount_amount, tax_amount, shipping_address
FROM jsonb_to_recordset(%s::jsonb) AS r(
    event_id text, event_type text, timestamp_ms bigint, user_id text, product_id text, product_name text,
    category text, price numeric, currency text, quantity integer, metadata jsonb, unknown_fields jsonb,
    discount_code text, discount_amount numeric, tax_amount numeric, shipping_address jsonb)
"""


def store_product_events(events: Sequence[Event]) -> None:
    """Write a row for each event, all in one statement."""
    unknown = [unknown_fields(event) for event in events]
    rows = [product_event_row(event, fields) for event, fields in zip(events, unknown, strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(INSERT_ROWS, [dump_json(rows).decode()])
    tell_unknown(unknown)


def product_event_row(event: Event, unknown: dict[str, object]) -> dict[str, object]:
    """One record of INSERT_ROWS."""
    payload: ProductPayload = event.payload
    currency = payload.currency or DEFAULT_CURRENCY
    return {
        "event_id": event.id,
        "event_type": event.type,
        "timestamp_ms": event.timestamp,
        "user_id": event.user_id,
        "product_id": payload.productId,
        "product_name": payload.productName,
        "category": payload.category,
        "price": read_money(payload.price, "price", currency),
        "currency": currency,
        "quantity": payload.quantity or DEFAULT_QUANTITY,
        "metadata": fragment(payload.metadata or {}),
        "unknown_fields": fragment(unknown) if unknown else None,
        **columns_since_v2(payload, currency),
    }


def columns_since_v2(payload: ProductPayload, currency: str) -> dict[str, object]:
    address = payload.shippingAddress
    return {
        "discount_code": payload.discountCode,
        "discount_amount": _amount(payload.discountAmount, "discountAmount", currency),
        "tax_amount": _amount(payload.taxAmount, "taxAmount", currency),
        "shipping_address": None if address is None else msgspec.to_builtins(address),
    }


def _amount(value: object, path: str, currency: str) -> Decimal | None:
    return None if value is None else read_money(value, path, currency)


def fragment(value: dict[str, object]) -> orjson.Fragment:
    """JSON that is put in as it is: no level deeper than it was checked at."""
    return orjson.Fragment(dump_json(value))


def product_event_link(event_id: str) -> tuple[ProductEvent, str] | None:
    """For the admin: an event's row, and what its link says."""
    row = ProductEvent.objects.only("pk").filter(event_id=event_id).first()
    return None if row is None else (row, f"product event {row.pk}")
