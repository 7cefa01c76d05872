"""Which members a family's payload may have: the door and files refuse the others by name, on Kafka they pass."""

from __future__ import annotations

from functools import cache
from typing import Any

from processing.domain.envelope import PIPELINE_MEMBERS, Invalid
from processing.domain.payloads import Fields, payload_of


@cache
def fields_of(schema: type) -> Fields:
    """The payload's members by their names on the wire, those of nested objects within."""
    return {**payload_of(schema).fields, **dict.fromkeys(PIPELINE_MEMBERS)}


def check_fields(schema: type, payload: dict[str, Any]) -> None:
    """Raises `Invalid` at the first member that the schema does not name."""
    _check(fields_of(schema), payload, "payload")


def unnamed_fields(schema: type, payload: dict[str, Any]) -> dict[str, Any]:
    """What a payload has that the schema does not name, as it stood: of a nested object its unknown members alone."""
    return _unknown(fields_of(schema), payload)


def _unknown(members: Fields, node: dict[str, Any]) -> dict[str, Any]:
    found = {name: value for name, value in node.items() if name not in members}
    for name, inner in members.items():
        if inner is not None and isinstance(child := node.get(name), dict) and (within := _unknown(inner, child)):
            found[name] = within
    return found


def _check(members: Fields, node: dict[str, Any], path: str) -> None:
    if not node.keys() <= members.keys():
        unknown = next(name for name in node if name not in members)
        raise Invalid(f"{path}.{unknown}", "is not a known member")
    for name, inner in members.items():
        if inner is not None and isinstance(child := node.get(name), dict):
            _check(inner, child, f"{path}.{name}")
