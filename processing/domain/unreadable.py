"""What is wrong with bytes that no strict JSON reader takes, told by a lenient one: only ever called on failure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from processing.domain.envelope import Invalid

SCHEMA_REGISTRY_BYTES = 5  # Confluent's wire format: a zero byte, then the schema's number in four


class _NotANumber(str):
    """`NaN`, `Infinity` or `-Infinity`, as it stood."""


def explain(value: bytes, path: str, error: Exception) -> Invalid:
    """Why a value could not be read, and where; `error` is the strict reader's."""
    if not value.strip():
        return Invalid(path, "is empty: send JSON")
    if value[0] == 0 and len(value) >= SCHEMA_REGISTRY_BYTES:
        number = int.from_bytes(value[1:SCHEMA_REGISTRY_BYTES], "big")
        return Invalid(
            path,
            f"begins with the five bytes of a Schema Registry serializer (schema {number}): send JSON without them, by "
            "a serializer that writes JSON alone",
        )
    try:
        tree = json.loads(value, parse_constant=_NotANumber, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return Invalid(path, f"is not valid JSON: {error}")
    for where, leaf in leaves(tree, path):
        if isinstance(leaf, _NotANumber):
            return Invalid(where, f"is {leaf}, which JSON does not have: leave the member out, or send null")
        if isinstance(leaf, str) and any("\ud800" <= letter <= "\udfff" for letter in leaf):
            return Invalid(where, "has a lone surrogate, half of a character: send whole ones")
    return Invalid(path, f"is not valid JSON: {error}")


def leaves(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every value that is neither object nor list, with its path, and every member's name, with its object's."""
    stack = [(path, node)]
    while stack:
        path, node = stack.pop()
        if isinstance(node, dict):
            yield from ((path, name) for name in node)
            stack.extend((f"{path}.{name}" if path else name, each) for name, each in reversed(node.items()))
        elif isinstance(node, list):
            stack.extend((f"{path}[{index}]", each) for index, each in reversed([*enumerate(node)]))
        else:
            yield path, node
