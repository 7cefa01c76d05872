"""Numbers of JSON, digit by digit: what is no integer literal is a Decimal from the wire to Postgres, never a float."""

from __future__ import annotations

from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal, Inexact
from typing import Any

import orjson
from msgspec import inspect

MIN_INTEGER, MAX_INTEGER = -(2**63), 2**64 - 1
# what a double reaches, and the most decimals that one has: beyond, Postgres would store much for few bytes
MAX_EXPONENT = 308
MAX_DECIMALS = 1_074

USUAL, USUAL_LENGTH = (-300, 300), 300  # powers of ten, and digits, that are surely within both

EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[Inexact])


def write_number(value: Any) -> orjson.Fragment:
    """For orjson, which asks it for what it cannot write: a Decimal's digits as they are.

    Raises `TypeError` for one that Postgres could not keep, and for all else.
    """
    if type(value) is not Decimal:
        raise TypeError(f"{type(value).__name__} is no value of JSON")
    text = str(value)
    if (len(text) > USUAL_LENGTH or not USUAL[0] < value.adjusted() < USUAL[1]) and not is_storable(value):
        raise TypeError("a number that cannot be stored")
    return orjson.Fragment(text)


def write_by_value(value: Any) -> int | orjson.Fragment:
    """The same, with one form for each value: 1.0 and 1e0 are 1."""
    whole = as_integer(value)
    return whole if type(whole) is int else write_number(value.normalize(EXACT))


def is_storable(number: Decimal) -> bool:
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and -exponent <= MAX_DECIMALS and number.adjusted() <= MAX_EXPONENT


def as_integer(value: Any) -> Any:
    """A Decimal that is an integer of 64 bits as one: an integer is one however it is written. All else as it is."""
    if type(value) is Decimal and MIN_INTEGER <= value <= MAX_INTEGER and value == value.to_integral_value():
        return int(value)
    return value


def with_integers(kind: inspect.Type, node: Any) -> Any:
    """A payload with integers where its schema wants integers, whatever their form; the rest of it as it is."""
    match kind:
        case inspect.Metadata(type=inner):
            return with_integers(inner, node)
        case inspect.IntType() | inspect.LiteralType() | inspect.EnumType():
            return as_integer(node)
        case inspect.StructType() if isinstance(node, dict):
            types = {field.encode_name: field.type for field in kind.fields}
            return {name: with_integers(types[name], each) if name in types else each for name, each in node.items()}
        case inspect.DictType() if isinstance(node, dict):
            return {name: with_integers(kind.value_type, each) for name, each in node.items()}
        case inspect.CollectionType() if isinstance(node, list):
            return [with_integers(kind.item_type, each) for each in node]
        case inspect.UnionType(types=types) if not any(isinstance(each, inspect.FloatType) for each in types):
            for each in types:
                node = with_integers(each, node)
    return node
