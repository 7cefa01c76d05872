"""The OpenAPI document, from the same Structs that check and write the JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent

from ingest.http.answers import SAMPLE_ID
from ingest.http.codings import TAKEN
from ingest.http.examples import MOMENT, example_of, problem_example
from ingest.http.problems import MEDIA_TYPE, ProblemBody
from ingest.parsing.forms import Formed
from processing.domain.payloads import payload_of

REF = "#/components/schemas/{name}"
EVENT_ID = {"type": "string", "minLength": 1, "maxLength": 255}
USER_ID = {**EVENT_ID, "examples": ["u-1"]}
EVENT_TYPE = {"type": "string", "minLength": 1, "maxLength": 100}
TIMESTAMP = {
    "anyOf": [
        {"type": "integer", "description": "Unix ms from 10^11 on, or as TIMESTAMP_UNIT says"},
        {"type": "string", "format": "date-time"},
    ],
    "examples": [MOMENT],
}
API_KEY = {"type": "apiKey", "in": "header", "name": "Authorization", "description": "Api-Key …"}
SEQ = {"type": "integer", "minimum": 1, "maximum": 2**53 - 1}

Schema = dict[str, Any]


@dataclass(frozen=True)
class Described:
    """One method of an endpoint. A body is a Struct or a schema, an answer an example, which tells its Struct, or a
    schema; `parameters` are schemas of OpenAPI."""

    summary: str
    answers: Mapping[int, msgspec.Struct | Schema]
    body: type[msgspec.Struct] | Schema | None = None
    problems: Sequence[int] = ()
    parameters: Sequence[Schema] = field(default_factory=tuple)
    tag: str = "events"
    media_type: str = "application/json"
    other_bodies: Mapping[str, Schema] = field(default_factory=dict)  # by media type


class Operation(AutoSchema):
    """drf-spectacular's view of an endpoint, told by the view's `operations` alone."""

    def get_operation(self, path: str, path_regex: str, path_prefix: str, method: str, registry: Any) -> Schema | None:
        described = self.view_operations().get(method)
        if described is None:
            return None
        operation = write_operation(path, method, described)
        for each in components():
            registry.register_on_missing(each)
        return operation

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
        operation["parameters"].append(CONTENT_ENCODING)
        content = _content(described.body, "application/json")
        for media_type, body in described.other_bodies.items():
            content |= _content(body, media_type)
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
CONTENT_ENCODING: Schema = {
    "in": "header",
    "name": "Content-Encoding",
    "description": "Of a compressed body.",
    "schema": {"enum": list(TAKEN)},
}


CLOUDEVENT: Schema = {
    "type": "object",
    "title": "CloudEvent 1.0.2",
    "description": "partitionkey, else subject, is the user; of headers `ce-…` and a body that is the data the same",
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "minLength": 1},
        "source": {"type": "string", "format": "uri-reference", "minLength": 1},
        "type": EVENT_TYPE,
        "time": {"type": "string", "format": "date-time"},
        "subject": USER_ID,
        "partitionkey": USER_ID,
        "sequence": {"type": ["string", "integer"], "description": "the event's place among its user's"},
        "data": {"type": ["object", "null"]},
        "data_base64": {"type": "string", "contentEncoding": "base64", "contentMediaType": "application/json"},
    },
    "required": ["specversion", "id", "source", "type"],
}
CLOUDEVENT_EXAMPLE = {
    "specversion": "1.0",
    "id": "17",
    "source": "/shop",
    "type": "page.viewed",
    "partitionkey": "u-1",
    "data": {"path": "/start"},
}
CLOUDEVENTS: Mapping[str, Schema] = {
    "application/cloudevents+json": {**CLOUDEVENT, "examples": [CLOUDEVENT_EXAMPLE]},
    "application/cloudevents-batch+json": {
        "type": "array",
        "minItems": 1,
        "items": CLOUDEVENT,
        "examples": [[CLOUDEVENT_EXAMPLE]],
    },
}


def either(*answers: msgspec.Struct) -> Schema:
    return {
        "oneOf": [_schema(type(each)) for each in answers],
        "examples": [msgspec.to_builtins(each) for each in answers],
    }


def path_parameter(name: str, schema: Schema, example: str) -> Schema:
    return {"in": "path", "name": name, "required": True, "schema": schema, "example": example}


def one_or_many(kind: Formed) -> Schema:
    """The request of a family's endpoint."""
    one = body_schema(kind)
    example = example_of(one, nested_schemas)
    return {"oneOf": [one, {"type": "array", "minItems": 1, "items": one}], "examples": [example, [example]]}


def body_schema(kind: Formed) -> Schema:
    """A family's body: the payload's members beside those that become the envelope's."""
    form = kind.form
    payload = resolved(kind.schema)
    event_type = {**EVENT_TYPE, "examples": [f"{kind.name}.created"]}
    kinds: Schema = {"userId": USER_ID, "type": event_type, "eventId": EVENT_ID, "timestamp": TIMESTAMP}
    if kind.types:
        kinds["type"] = {"enum": sorted(kind.types)}
    if form.event_id == "required":
        kinds["eventId"] = {**EVENT_ID, "examples": [SAMPLE_ID]}
    own = {theirs: kinds[ours] for ours, theirs in form.names.items()}
    required = [theirs for ours, theirs in form.names.items() if ours in form.required]
    return {
        "type": "object",
        "title": f"{form.fixed_type or kind.name} event",
        "properties": {**own, "seq": SEQ, **payload.get("properties", {})},
        "required": list(dict.fromkeys([*required, *payload.get("required", [])])),
        "additionalProperties": False,
    }


def components() -> Iterator[ResolvedComponent]:
    """What the operations written so far point to."""
    for struct in _structs:
        _, found = msgspec.json.schema_components([struct], ref_template=REF)
        yield from (_component(name, schema) for name, schema in found.items())
    yield from (_component(name, schema) for name, schema in nested_schemas.items())
    yield _component("ApiKey", API_KEY, ResolvedComponent.SECURITY_SCHEMA)


def _component(name: str, schema: Schema, kind: str = ResolvedComponent.SCHEMA) -> ResolvedComponent:
    made: ResolvedComponent = ResolvedComponent(name, kind, schema, name)  # type: ignore[no-untyped-call]
    return made


_structs: list[type[msgspec.Struct]] = []  # that an operation names
nested_schemas: Schema = {}  # of families' payloads


def _schema(of: type[msgspec.Struct] | Schema) -> Schema:
    if isinstance(of, dict):
        return of
    if of not in _structs:
        _structs.append(of)
    return {"$ref": REF.format(name=of.__name__)}


def _answer(code: int, answer: msgspec.Struct | Schema, media_type: str) -> Schema:
    described = answer if isinstance(answer, dict) else either(answer)
    return {"description": HTTPStatus(code).phrase, "content": _content(described, media_type)}


def _problem(code: int) -> Schema:
    content = {"schema": _schema(ProblemBody), "example": problem_example(code)}
    return {"description": HTTPStatus(code).phrase, "content": {MEDIA_TYPE: content}}


def _content(of: type[msgspec.Struct] | Schema, media_type: str) -> Schema:
    """A body or an answer; of those that are one event or many both have their example."""
    schema = dict(_schema(of))
    examples = schema.pop("examples", None) or [
        example_of(of, nested_schemas) if isinstance(of, dict) else example_of_struct(of)
    ]
    if len(schema.get("oneOf", ())) == 1:
        (schema,) = schema["oneOf"]
    if len(examples) == 1:
        return {media_type: {"schema": schema, "example": examples[0]}}
    named = {name: {"value": each} for name, each in zip(("one", "many"), examples, strict=True)}
    return {media_type: {"schema": schema, "examples": named}}


def example_of_struct(struct: type[msgspec.Struct]) -> Any:
    (schema,), found = msgspec.json.schema_components([struct], ref_template=REF)
    return example_of(schema, found)


def resolved(payload: type) -> Schema:
    """A payload's schema with nothing left to look up at its top; nested ones become components."""
    schema, found = payload_of(payload).describe(REF)
    nested_schemas.update(found)
    return dict(schema)
