"""Messages as the product team's own producers write them: made up, but of a shop that could be."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any

TYPES = ("product.viewed", "product.added_to_cart", "product.purchased", "product.purchased", "product.returned")
PRODUCTS = (  # id, name, category, price in cents
    ("sku-1001", "Espresso machine", "Kitchen", 24_900),
    ("sku-1002", "Coffee beans, 1 kg", "Groceries", 1_895),
    ("sku-2001", "Wool blanket", "Home", 7_950),
    ("sku-2002", "Reading lamp", "Home", 4_299),
    ("sku-3001", "Travel guide to Lisbon", "Books", 1_450),
    ("sku-4001", "Gift card", None, 5_000),
)
CURRENCIES = ("USD", "USD", "USD", "EUR", "GBP")
DISCOUNTS = (("SPRING10", 10), ("WELCOME5", 5), (None, 0), (None, 0))  # code, per cent
TAX_PERCENT = 8
ADDRESSES = (
    ("1 Main St", "Ambler", "PA", "19002", "USA"),
    ("230 Congress Ave", "Austin", "TX", "78701", "USA"),
    ("14 Rue de Rivoli", "Paris", "Île-de-France", "75004", "France"),
)


def sample(schema: str, random: Random, now: datetime) -> dict[str, Any]:
    """One message; `schema` is v1 or v2."""
    message = sample_v1(random, now)
    return message if schema == "v1" else {**message, **added_by_v2(message, random)}


def sample_v1(random: Random, now: datetime) -> dict[str, Any]:
    product_id, name, category, cents = random.choice(PRODUCTS)
    return {
        "eventId": f"evt_{random.getrandbits(80):020x}",
        "eventType": random.choice(TYPES),
        "timestamp": now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "userId": f"shopper-{random.randrange(1, 21):02}",
        "productId": product_id,
        "productName": name,
        "category": category,
        "price": dollars(cents),
        "currency": random.choice(CURRENCIES),
        "quantity": random.choice((1, 1, 1, 2, 3)),
        "metadata": {"source": random.choice(("web", "app", "shop"))},
    }


def added_by_v2(message: dict[str, Any], random: Random) -> dict[str, Any]:
    code, percent = random.choice(DISCOUNTS)
    cents = round(message["price"] * 100) * message["quantity"]
    discount = cents * percent // 100
    street, city, state, zip_code, country = random.choice(ADDRESSES)
    return {
        "discountCode": code,
        "discountAmount": dollars(discount),
        "taxAmount": dollars((cents - discount) * TAX_PERCENT // 100),
        "shippingAddress": {"street": street, "city": city, "state": state, "zipCode": zip_code, "country": country},
    }


def dollars(cents: int) -> float:
    """A number that JSON shows with two decimals at most."""
    return cents / 100
