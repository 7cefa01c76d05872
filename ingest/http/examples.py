"""Examples for the documents of HTTP and Kafka: made from schemas, and problems as the door answers them."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from django.http import Http404
from rest_framework.exceptions import MethodNotAllowed

from ingest.api_keys.errors import KeyRefused, NotAllowed
from ingest.http.answers import SAMPLE_ID, refusal
from ingest.http.body import too_large, unreadable
from ingest.http.problems import Problem, as_problem
from ingest.parsing.candidate import FieldError, Refused
from ingest.publishing.errors import Unavailable
from ingest.publishing.submission import Outcome, Status
from processing.domain.envelope import Invalid

Schema = dict[str, Any]

MOMENT_MS = 1_790_000_000_000
MOMENT = "2026-09-21T14:13:20Z"  # the same: a text has no unit to be mistaken in
TEXT = "text"
OF_TYPE: Mapping[str, Any] = {"boolean": True, "integer": 1, "number": 1, "array": [], "null": None}


def example_of(schema: Schema, components: Mapping[str, Schema]) -> Any:
    """A value that the schema describes: its own first example or default where it has one, else one by its type.

    Of an object's optional members those are left out that have no example of their own. `components` are what it
    refers to, by name.
    """
    if "$ref" in schema:
        return example_of(components[schema["$ref"].rpartition("/")[2]], components)
    if schema.get("examples"):
        return schema["examples"][0]
    if "const" in schema or "enum" in schema:
        return schema["const"] if "const" in schema else schema["enum"][0]
    if schema.get("default") is not None:
        return schema["default"]
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return example_of(schema[several][0], components)
    return _by_type(schema, components)


def _by_type(schema: Schema, components: Mapping[str, Schema]) -> Any:
    kinds = schema.get("type", "object")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    if kind == "object":
        required = schema.get("required", ())
        members = schema.get("properties", {}).items()
        return {name: example_of(each, components) for name, each in members if name in required or "examples" in each}
    if kind == "array" and "items" in schema:
        return [example_of(schema["items"], components)]
    if kind == "string":
        return MOMENT if schema.get("format") == "date-time" else TEXT.ljust(schema.get("minLength", 0), "x")
    return schema.get("minimum", OF_TYPE[kind])


def _refused(status: Status) -> Problem:
    return refusal(Refused(FieldError("", "")), Outcome(status, SAMPLE_ID))


_problems: Mapping[int, Problem] = {
    400: as_problem(Invalid("userId", "Expected `str` of length >= 1")),
    401: as_problem(KeyRefused("an API key is needed: Authorization: Api-Key …")),
    403: as_problem(NotAllowed("this API key may read, not send events")),
    404: as_problem(Http404()),
    405: as_problem(MethodNotAllowed("PUT")),
    408: unreadable(TimeoutError()),
    409: _refused(Status.CONFLICT),
    413: too_large(),
    415: Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the Content-Type is missing; send application/json"),
    429: _refused(Status.RATE_LIMITED),
    503: as_problem(Unavailable("the backlog is too long (60000 events): try again later")),
}


def problem_example(code: int) -> Any:
    return msgspec.to_builtins(_problems[code].answer().body)
