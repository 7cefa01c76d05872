"""How `GET /product-events` shows product events."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from ingest.families.product_events.models import ProductEvent
from ingest.http.answers import SAMPLE_ID
from ingest.http.examples import MOMENT_MS
from ingest.parsing.money import show_money
from ingest.reading.listing import Listing, unix_ms, without_nulls
from processing.domain.envelope import EPOCH


def show_product_event(row: ProductEvent) -> dict[str, Any]:
    """Money is text, so that no reader's JSON makes a float of it."""
    return without_nulls(
        {
            "eventId": row.event_id,
            "eventType": row.event_type,
            "timestamp": unix_ms(row.timestamp),
            "userId": row.user_id,
            "productId": row.product_id,
            "productName": row.product_name,
            "category": row.category,
            "price": show_money(row.price, row.currency),
            "currency": row.currency,
            "quantity": row.quantity,
            "metadata": row.metadata,
            "discountCode": row.discount_code,
            "discountAmount": _money(row.discount_amount, row.currency),
            "taxAmount": _money(row.tax_amount, row.currency),
            "shippingAddress": row.shipping_address,
            "unknownFields": row.unknown_fields,
        }
    )


def _money(amount: Decimal | None, currency: str) -> str | None:
    return None if amount is None else show_money(amount, currency)


AT = EPOCH + timedelta(milliseconds=MOMENT_MS)
PRODUCT_EVENTS = Listing(
    rows=ProductEvent.objects.all,
    show=show_product_event,
    filters={"eventType": "event_type", "userId": "user_id"},
    time="timestamp",
    stored_at="created_at",
    sample=lambda: ProductEvent(
        event_id=SAMPLE_ID,
        event_type="product.created",
        timestamp=AT,
        user_id="u-1",
        product_id="sku-2002",
        product_name="Reading lamp",
        price=Decimal("42.99"),
        currency="USD",
        quantity=1,
        metadata={},
        created_at=AT,
    ),
)
