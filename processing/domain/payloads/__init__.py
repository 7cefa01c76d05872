"""How a payload is declared: as a Struct of msgspec, a model of pydantic, or a serializer of Django REST framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec

Fields = dict[str, "Fields | None"]  # None: whatever it holds is the sender's own
Schema = dict[str, Any]


@dataclass(frozen=True)
class Payload:
    """A declaration, whichever library it is of.

    `read` makes of a decoded payload what handlers get, and raises `Invalid` with paths below `payload`. `fields` are
    the members by their names on the wire, those of nested objects within. `describe` returns the JSON schema and what
    it refers to, by name; its argument is what a reference looks like, with `{name}`.
    """

    read: Callable[[dict[str, Any]], Any]
    fields: Fields
    describe: Callable[[str], tuple[Schema, Mapping[str, Schema]]]


@cache
def payload_of(schema: type) -> Payload:
    """Raises `ValueError` for a class that is none of the three."""
    declared: Any = schema
    if issubclass(schema, msgspec.Struct):
        from processing.domain.payloads import structs

        return structs.payload(schema)
    bases = {f"{base.__module__.partition('.')[0]}.{base.__name__}" for base in schema.__mro__}
    if "pydantic.BaseModel" in bases:
        from processing.domain.payloads import pydantic_models

        return pydantic_models.payload(declared)
    if "rest_framework.Serializer" in bases:
        from processing.domain.payloads import serializers

        return serializers.payload(declared)
    raise ValueError(
        f"{schema.__name__} must be a msgspec.Struct, a pydantic.BaseModel or a serializer of Django REST framework"
    )


def fields_of_schema(schema: Schema, components: Mapping[str, Schema], seen: frozenset[str] = frozenset()) -> Fields:
    """The members that a JSON schema of an object names."""
    return _named(schema, components, seen) or {}


def _named(schema: Schema, components: Mapping[str, Schema], seen: frozenset[str]) -> Fields | None:
    if name := schema.get("$ref", "").rpartition("/")[2]:
        return None if name in seen else _named(components[name], components, seen | {name})
    for several in ("anyOf", "oneOf", "allOf"):
        found = (_named(each, components, seen) for each in schema.get(several, ()))
        if (first := next((each for each in found if each is not None), None)) is not None:
            return first
    if "properties" not in schema:
        return None
    return {name: _named(each, components, seen) for name, each in schema["properties"].items()}


def path_of(parts: tuple[Any, ...] | list[Any]) -> str:
    """`("items", 0, "price")` as errors tell it, below the payload."""
    return "payload" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
