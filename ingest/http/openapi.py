"""The OpenAPI document, from the same Structs that check and write the JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec
from drf_spectacular.openapi import AutoSchema

from ingest.http.problems import MEDIA_TYPE, ProblemBody
from ingest.parsing.forms import Formed

REF = "#/components/schemas/{name}"
EVENT_ID = {"type": "string", "minLength": 1, "maxLength": 255}
USER_ID = EVENT_ID
EVENT_TYPE = {"type": "string", "minLength": 1, "maxLength": 100}
TIMESTAMP = {
    "anyOf": [
        {"type": "integer", "description": "Unix ms from 10^11 on, or as TIMESTAMP_UNIT says"},
        {"type": "string", "format": "date-time"},
    ]
}
SEQ = {"type": "integer", "minimum": 1, "maximum": 2**53 - 1}

Schema = dict[str, Any]


@dataclass(frozen=True)
class Described:
    """One method of an endpoint. A body or an answer is a Struct or a schema; `parameters` are schemas of OpenAPI."""

    summary: str
    answers: Mapping[int, type[msgspec.Struct] | Schema | None]
    body: type[msgspec.Struct] | Schema | None = None
    problems: Sequence[int] = ()
    parameters: Sequence[Schema] = field(default_factory=tuple)
    tag: str = "events"
    media_type: str = "application/json"


class Operation(AutoSchema):
    """drf-spectacular's view of an endpoint, told by the view's `operations` alone."""

    def get_operation(self, path: str, path_regex: str, path_prefix: str, method: str, registry: Any) -> Schema | None:
        described = self.view_operations().get(method)
        return None if described is None else write_operation(path, method, described)

    def view_operations(self) -> Mapping[str, Described]:
        operations: Mapping[str, Described] = getattr(self.view, "operations", {})
        return operations


def write_operation(path: str, method: str, described: Described) -> Schema:
    answers = {str(code): _answer(code, schema, described.media_type) for code, schema in described.answers.items()}
    problems = {str(code): _problem(code) for code in described.problems}
    operation: Schema = {
        "operationId": f"{method.lower()} {path}".translate(str.maketrans(" /-{}", "_____")),
        "summary": described.summary,
        "tags": [described.tag],
        "parameters": list(described.parameters),
        "responses": {**answers, **problems},
        "security": [{"ApiKey": []}, {}],
    }
    if described.body is not None:
        content = {"application/json": {"schema": _schema(described.body)}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def query_parameter(name: str, schema: Schema, description: str = "") -> Schema:
    told = {"description": description} if description else {}
    return {"in": "query", "name": name, **told, "schema": schema}


IDEMPOTENCY_KEY: Schema = {
    "in": "header",
    "name": "Idempotency-Key",
    "description": "The same key with the same content counts once; item i of a list has the key {key}#{i}.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


def either(*structs: type[msgspec.Struct]) -> Schema:
    return {"oneOf": [_schema(struct) for struct in structs]}


def one_or_many(kind: Formed) -> Schema:
    """The request of a family's endpoint."""
    one = body_schema(kind)
    return {"oneOf": [one, {"type": "array", "minItems": 1, "items": one}]}


def body_schema(kind: Formed) -> Schema:
    """A family's body: the payload's members beside those that become the envelope's."""
    form = kind.form
    payload = _resolved(kind.schema)
    kinds: Schema = {"userId": USER_ID, "type": EVENT_TYPE, "eventId": EVENT_ID, "timestamp": TIMESTAMP}
    if kind.types:
        kinds["type"] = {"enum": sorted(kind.types)}
    own = {theirs: kinds[ours] for ours, theirs in form.names.items()}
    required = [theirs for ours, theirs in form.names.items() if ours in form.required]
    return {
        "type": "object",
        "title": f"{form.fixed_type or kind.name} event",
        "properties": {**own, "seq": SEQ, **payload.get("properties", {})},
        "required": list(dict.fromkeys([*required, *payload.get("required", [])])),
        "additionalProperties": False,
    }


def add_components(result: Schema, generator: Any, request: Any, public: bool) -> Schema:
    """A postprocessing hook of drf-spectacular: the schemas that the operations point to."""
    components = result.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for struct in _structs:
        _, found = msgspec.json.schema_components([struct], ref_template=REF)
        schemas.update(found)
    schemas.update(_nested)
    components["securitySchemes"] = {
        "ApiKey": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "Api-Key …"}
    }
    return result


_structs: list[type[msgspec.Struct]] = []  # that an operation names
_nested: Schema = {}  # of families' payloads


def _schema(of: type[msgspec.Struct] | Schema) -> Schema:
    if isinstance(of, dict):
        return of
    if of not in _structs:
        _structs.append(of)
    return {"$ref": REF.format(name=of.__name__)}


def _answer(code: int, schema: type[msgspec.Struct] | Schema | None, media_type: str) -> Schema:
    answer: Schema = {"description": HTTPStatus(code).phrase}
    if schema is not None:
        answer["content"] = {media_type: {"schema": _schema(schema)}}
    return answer


def _problem(code: int) -> Schema:
    return _answer(code, ProblemBody, MEDIA_TYPE)


def _resolved(struct: type[msgspec.Struct]) -> Schema:
    """A Struct's schema with nothing left to look up at its top; nested Structs become components."""
    (_,), found = msgspec.json.schema_components([struct], ref_template=REF)
    for nested in found:
        if nested != struct.__name__:
            _nested[nested] = found[nested]
    return dict(found[struct.__name__])
