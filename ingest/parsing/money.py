"""Money on the wire: a JSON number or its decimal string, exact. It is never a float."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated

from msgspec import Meta, Raw

from processing.domain.envelope import Invalid

MOST = 10**13  # all amounts are below it
PLACES = 2

# Raw: a decoder would let strings such as "1_000" pass for a Decimal
Money = Annotated[
    Raw,
    Meta(
        extra_json_schema={
            "anyOf": [
                {"type": "number", "minimum": 0, "exclusiveMaximum": MOST, "multipleOf": 0.01},
                {"type": "string", "pattern": r"^[0-9]{1,13}(\.[0-9]{1,2})?$"},
            ],
            "description": "exact: at most 2 decimal places",
        }
    ),
]

_PLAIN = re.compile(rb'"[0-9]{1,13}(?:\.[0-9]{1,2})?"|[0-9]{1,13}(?:\.[0-9]{1,2})?')
_NUMBER = re.compile(rb"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_STRING = re.compile(rb'"[0-9]{1,13}(\.[0-9]+)?"')
LONGEST = 400  # characters of a number that are worth a look


def check_money(raw: Raw, path: str) -> None:
    """As `read_money`, for those who need no amount yet: as it is mostly written, one look is enough."""
    if not _PLAIN.fullmatch(bytes(raw)):
        read_money(raw, path)


def read_money(raw: Raw, path: str) -> Decimal:
    """An amount with two decimal places, from 0 to below 10^13. Raises `Invalid`."""
    text = bytes(raw)
    if len(text) > LONGEST or not (_NUMBER.fullmatch(text) or _STRING.fullmatch(text)):
        raise Invalid(path, 'must be an amount: a number, or its decimal string such as "12.34"')
    amount = Decimal(text.strip(b'"').decode())
    if not 0 <= amount < MOST:
        raise Invalid(path, "must be from 0 to below 10^13")
    exact = round(amount, PLACES)
    if exact != amount:
        raise Invalid(path, f"must have at most {PLACES} decimal places")
    return exact
