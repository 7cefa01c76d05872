"""Money on the wire: a JSON number or its decimal string, exact, in its currency's decimals. It is never a float."""

from __future__ import annotations

import re
from decimal import ROUND_DOWN, Context, Decimal
from functools import cache
from typing import Annotated, Any

from iso4217 import Currency
from msgspec import Meta

from processing.domain.envelope import Invalid

MOST = 10**13  # all amounts are below it
PLACES = 2  # where there is no currency, or one that ISO 4217 gives no number of decimals, or does not have

# Any: a decoder would let strings such as "1_000" pass for a Decimal
Money = Annotated[
    Any,
    Meta(
        extra_json_schema={
            "anyOf": [
                {"type": "number", "minimum": 0, "exclusiveMaximum": MOST},
                {"type": "string", "pattern": r"^[0-9]{1,13}(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?$"},
            ],
            "examples": ["42.99"],
            "description": "exact: at most as many decimals as ISO 4217 gives the currency, 2 where there is none",
        }
    ),
]

CUT = Context(prec=2_000)  # digits: more than any balance has
_PLAIN = re.compile(r"[0-9]{1,13}(?:\.[0-9]{1,2})?", re.ASCII)
_DECIMAL = re.compile(r"[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,3})?", re.ASCII)


def check_money(value: Any, path: str, currency: str | None = None) -> None:
    """As `read_money`, for those who need no amount yet: as it is mostly written, one look is enough."""
    if type(value) is not str or places_of(currency) != PLACES or not _PLAIN.fullmatch(value):
        read_money(value, path, currency)


def read_money(value: Any, path: str, currency: str | None = None) -> Decimal:
    """An amount with its currency's decimal places, from 0 to below 10^13. Raises `Invalid`.

    `value` is what a JSON reader that keeps digits made of it: an integer, a Decimal or a text.
    """
    if type(value) not in (int, Decimal) and not (type(value) is str and _DECIMAL.fullmatch(value)):
        raise Invalid(path, 'must be an amount: a number, or its decimal string such as "12.34"')
    amount = Decimal(value)
    if not 0 <= amount < MOST:
        raise Invalid(path, "must be from 0 to below 10^13")
    places = places_of(currency)
    exact = amount.quantize(_unit(places), ROUND_DOWN, CUT)
    if exact != amount:
        whose = f"has too many decimals for {currency}: " if currency else ""
        raise Invalid(path, f"{whose}must have at most {places} decimal places")
    return exact.copy_abs()  # minus zero is zero


def show_money(amount: Decimal, currency: str | None = None) -> str:
    """An amount with its currency's decimals, and with more where it has them."""
    exact = amount.quantize(_unit(places_of(currency)), ROUND_DOWN, CUT)
    return f"{exact if exact == amount else amount:f}"


@cache
def places_of(currency: str | None) -> int:
    """How many decimals ISO 4217 gives a currency, by its code."""
    try:
        places = Currency(currency).exponent
    except ValueError:
        return PLACES
    return PLACES if places is None else places


@cache
def _unit(places: int) -> Decimal:
    return Decimal(1).scaleb(-places)
