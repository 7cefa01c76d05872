"""A payload as a msgspec Struct: the quickest, with nothing between the bytes and its members."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec
from msgspec import inspect

from processing.domain.decode import read_as
from processing.domain.payloads import Fields, Payload, Schema


def payload(struct: type[msgspec.Struct]) -> Payload:
    kind = inspect.type_info(struct)
    assert isinstance(kind, inspect.StructType)
    read: Any = partial(read_as, struct)
    return Payload(read, _members(kind), partial(_describe, struct))


def _describe(struct: type[msgspec.Struct], reference: str) -> tuple[Schema, Mapping[str, Schema]]:
    (_,), found = msgspec.json.schema_components([struct], ref_template=reference)
    own = found.pop(struct.__name__)
    return own, found


def _members(kind: inspect.StructType) -> Fields:
    return {field.encode_name: _nested(field.type) for field in kind.fields}


def _nested(kind: inspect.Type) -> Fields | None:
    if isinstance(kind, inspect.UnionType):
        return next((members for members in map(_nested, kind.types) if members is not None), None)
    return _members(kind) if isinstance(kind, inspect.StructType) else None
