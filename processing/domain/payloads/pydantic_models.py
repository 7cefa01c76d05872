"""A payload as a pydantic model. Its numbers come as integers and Decimals, so that a Decimal has every digit."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from pydantic import BaseModel, ValidationError

from processing.domain.envelope import PIPELINE_MEMBERS, Invalid
from processing.domain.payloads import Payload, Schema, fields_of_schema, path_of

MEANINGS = {"missing": "is missing", "extra_forbidden": "is not a known member"}


def payload(model: type[BaseModel]) -> Payload:
    return Payload(partial(_read, model), fields_of_schema(*_describe(model, "{name}")), partial(_describe, model))


def _read(model: type[BaseModel], members: dict[str, Any]) -> BaseModel:
    own = {name: value for name, value in members.items() if name not in PIPELINE_MEMBERS}
    try:
        return model.model_validate(own)
    except ValidationError as error:
        raise _invalid(error, own) from error


def _invalid(error: ValidationError, members: dict[str, Any]) -> Invalid:
    """Of its first error. A validator may raise `Invalid`, with a path below its own."""
    first: Any = error.errors(include_url=False)[0]
    path = path_of(_steps(first["loc"], members, named=first["type"] in MEANINGS))
    own = first.get("ctx", {}).get("error")
    if isinstance(own, Invalid):
        return Invalid(f"{path}.{own.path}" if own.path else path, own.message)
    return Invalid(path, MEANINGS.get(first["type"]) or str(own or first["msg"]))


def _steps(location: tuple[int | str, ...], node: Any, *, named: bool) -> list[int | str]:
    """Without what pydantic puts in between to tell the branches of a union. `named`: the last is a member that may not
    be there."""
    steps: list[int | str] = []
    for place, part in enumerate(location):
        is_there = part in node if isinstance(node, dict) else isinstance(node, list) and isinstance(part, int)
        if is_there:
            node = node[part]
        if is_there or (named and place == len(location) - 1):
            steps.append(part)
    return steps


def _describe(model: type[BaseModel], reference: str) -> tuple[Schema, Mapping[str, Schema]]:
    schema = model.model_json_schema(ref_template=reference.replace("{name}", "{model}"))
    found: dict[str, Schema] = schema.pop("$defs", {})
    if "$ref" in schema:  # it refers to itself
        schema = found[schema["$ref"].rpartition("/")[2]]
    return schema, found
