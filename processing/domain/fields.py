"""Which members a family's payload may have: the door and files refuse the others by name, on Kafka they pass."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

from processing.domain.envelope import PIPELINE_MEMBERS, Invalid

Fields = dict[str, "Fields | None"]  # None: whatever it holds is the sender's own


@cache
def fields_of(schema: type[msgspec.Struct]) -> Fields:
    """The payload's members by their names on the wire, those of nested objects within."""
    kind = inspect.type_info(schema)
    assert isinstance(kind, inspect.StructType)
    return {**_members(kind), **dict.fromkeys(PIPELINE_MEMBERS)}


def check_fields(schema: type[msgspec.Struct], payload: dict[str, Any]) -> None:
    """Raises `Invalid` at the first member that the schema does not name."""
    _check(fields_of(schema), payload, "payload")


def unnamed_fields(schema: type[msgspec.Struct], payload: dict[str, Any]) -> dict[str, Any]:
    """What a payload has that the schema does not name, as it stood: of a nested object its unknown members alone."""
    return _unknown(fields_of(schema), payload)


def _unknown(members: Fields, node: dict[str, Any]) -> dict[str, Any]:
    found = {name: value for name, value in node.items() if name not in members}
    for name, inner in members.items():
        if inner is not None and isinstance(child := node.get(name), dict) and (within := _unknown(inner, child)):
            found[name] = within
    return found


def _members(kind: inspect.StructType) -> Fields:
    return {field.encode_name: _nested(field.type) for field in kind.fields}


def _nested(kind: inspect.Type) -> Fields | None:
    if isinstance(kind, inspect.UnionType):
        return next((members for members in map(_nested, kind.types) if members is not None), None)
    return _members(kind) if isinstance(kind, inspect.StructType) else None


def _check(members: Fields, node: dict[str, Any], path: str) -> None:
    if not node.keys() <= members.keys():
        unknown = next(name for name in node if name not in members)
        raise Invalid(f"{path}.{unknown}", "is not a known member")
    for name, inner in members.items():
        if inner is not None and isinstance(child := node.get(name), dict):
            _check(inner, child, f"{path}.{name}")
