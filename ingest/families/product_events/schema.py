"""The payload of a product event on the wire, v1 and v2 in one: what v2 added is optional."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ingest.families.product_events.models import DEFAULT_CURRENCY, DEFAULT_QUANTITY
from ingest.parsing.money import Money, check_money
from processing.domain.decode import check_not_blank

MAX_QUANTITY = 2**31 - 1  # the column's

Name = Annotated[str, Meta(min_length=1, max_length=255)]
ShortText = Annotated[str, Meta(max_length=255)]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$", max_length=3)]  # the length, since $ lets a line break pass
Quantity = Annotated[int, Meta(ge=1, le=MAX_QUANTITY)]


class ShippingAddress(msgspec.Struct):
    street: ShortText
    city: ShortText
    state: ShortText
    zipCode: ShortText  # noqa: N815 - the wire's name
    country: ShortText


class ProductPayload(msgspec.Struct):
    """The payload of a product event. Null means left out; `metadata` is the product's own."""

    productId: Annotated[Name, Meta(examples=["sku-2002"])]  # noqa: N815 - the wire's name
    productName: Annotated[Name, Meta(examples=["Reading lamp"])]  # noqa: N815 - the wire's name
    price: Money
    category: ShortText | None = None
    currency: Currency | None = DEFAULT_CURRENCY
    quantity: Quantity | None = DEFAULT_QUANTITY
    metadata: dict[str, Any] | None = None
    # since v2
    discountCode: ShortText | None = None  # noqa: N815 - the wire's name
    discountAmount: Money | None = None  # noqa: N815 - the wire's name
    taxAmount: Money | None = None  # noqa: N815 - the wire's name
    shippingAddress: ShippingAddress | None = None  # noqa: N815 - the wire's name

    def __post_init__(self) -> None:
        check_not_blank(self.productId, "productId")
        check_not_blank(self.productName, "productName")
        currency = self.currency or DEFAULT_CURRENCY
        check_money(self.price, "price", currency)
        if self.discountAmount is not None:
            check_money(self.discountAmount, "discountAmount", currency)
        if self.taxAmount is not None:
            check_money(self.taxAmount, "taxAmount", currency)
