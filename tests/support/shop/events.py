"""The kinds of event of the shop."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ingest.families.declaration import event_type, on
from ingest.parsing.money import Money, check_money, read_money
from processing.domain.envelope import Event
from tests.support.shop.models import Order


@event_type("order.placed", user="customerId")
class OrderPlaced(msgspec.Struct):
    orderId: str  # noqa: N815 - the wire's name
    total: Money

    def __post_init__(self) -> None:
        check_money(self.total, "total")


@on(OrderPlaced)
def place(orders: Sequence[Event[OrderPlaced]]) -> None:
    Order.objects.bulk_create(
        Order(
            event_id=order.id,
            customer_id=order.user_id,
            order_id=order.payload.orderId,
            total=read_money(order.payload.total, "total"),
        )
        for order in orders
    )


@event_type("order.cancelled", user="customerId")
class OrderCancelled(msgspec.Struct):
    orderId: str  # noqa: N815 - the wire's name
    customerId: str  # noqa: N815 - the wire's name


@on(OrderCancelled)
def cancel(orders: Sequence[Event[OrderCancelled]]) -> None:
    for order in orders:
        Order.objects.filter(order_id=order.payload.orderId, customer_id=order.payload.customerId).update(
            cancelled=True
        )


@event_type("cart.viewed", path="shop/carts")
class CartViewed(msgspec.Struct):
    """Recorded, nothing more."""

    items: int
