"""The AsyncAPI document of the topics, from the same declarations that check and write what stands in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from drf_spectacular.settings import spectacular_settings

from ingest.http.examples import MOMENT_MS, example_of
from ingest.http.openapi import EVENT_ID, EVENT_TYPE, SEQ, USER_ID, Schema, body_schema, nested_schemas, resolved
from ingest.parsing.forms import Formed
from processing.domain.envelope import MAX_TIMESTAMP_MS, MIN_BARE_MS
from processing.domain.families import kinds
from processing.models import DeadLetter

MEDIA_TYPE = "application/vnd.aai.asyncapi+json;version=3.0.0"
KAFKA = {"bindingVersion": "0.5.0"}

EVENTS, DEAD_LETTERS = "events", "deadLetters"  # channels
SAMPLE_ID = "order-4711"  # of any form, since others write here too
TIMESTAMP: Schema = {
    "anyOf": [
        {"type": "integer", "minimum": MIN_BARE_MS, "maximum": MAX_TIMESTAMP_MS, "description": "Unix ms"},
        {"type": "string", "format": "date-time"},
    ],
    "examples": [MOMENT_MS],
}
TEXT: Schema = {"type": "string"}
BY_THE_DOOR: Schema = {  # others need none
    "type": "object",
    "properties": {"traceparent": {**TEXT, "description": "W3C Trace Context"}},
}
LETTER: Schema = {
    "type": "object",
    "properties": {
        "dlq-reason": {"enum": list(DeadLetter.Reason.values), "examples": ["failed"]},
        "dlq-error": {**TEXT, "examples": ["ValueError: no such product"]},
        "dlq-attempts": {**TEXT, "examples": ["4"]},
        "dlq-topic": {**TEXT, "description": "where the message stood", "examples": ["events"]},
        "dlq-partition": {**TEXT, "examples": ["3"]},
        "dlq-offset": {**TEXT, "examples": ["1042"]},
        "dlq-file": {**TEXT, "description": "of an event from a file: its name"},
    },
    "required": ["dlq-reason", "dlq-error", "dlq-attempts", "dlq-topic", "dlq-partition", "dlq-offset"],
}


def asyncapi(request: HttpRequest) -> HttpResponse:
    return HttpResponse(msgspec.json.encode(asyncapi_document()), MEDIA_TYPE)


def asyncapi_document() -> Schema:
    """As JSON takes it. No server is named: where the brokers are is nobody's business who may read this."""
    forms = [kind for kind in kinds() if isinstance(kind, Formed)]
    own = [kind for kind in forms if kind.topic]
    topics = {
        EVENTS: (settings.KAFKA_EVENTS_TOPIC, _events(forms)),
        **{_own_channel(kind): (kind.topic, {_name(kind): _in_own_form(kind)}) for kind in own},
        DEAD_LETTERS: (settings.KAFKA_DLQ_TOPIC, {"deadLetter": _dead_letter()}),
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": spectacular_settings.TITLE or "Events",
            "version": spectacular_settings.VERSION,
            "description": "What stands in Kafka. Partitions by the key, murmur2, as Java's clients choose them.",
        },
        "defaultContentType": "application/json",
        "channels": {name: _channel(*topic) for name, topic in topics.items()},
        "operations": {
            **_operation("sendEvents", "send", EVENTS, "The door publishes what it accepts."),
            **_operation("receiveEvents", "receive", EVENTS, "The consumer applies each event once."),
            **_receive_in_own_form(own),
            **_operation("sendDeadLetters", "send", DEAD_LETTERS, "A copy of each dead letter, at least once."),
        },
        "components": {"schemas": dict(nested_schemas)},
    }


def _events(forms: Iterable[Formed]) -> Mapping[str, Schema]:
    plain = {**_envelope({"type": ["object", "null"], "examples": [{"path": "/start"}]}, {}, []), "title": "event"}
    return {
        "event": _message("An event without a schema of its own", plain, keyed=True),
        **{_name(kind): _message(f"A {_name(kind)} event", _envelope_of(kind), keyed=True) for kind in forms},
    }


def _envelope_of(kind: Formed) -> Schema:
    """What the topic of all events has for a kind: the payload by its schema, beside the pipeline's own members."""
    payload = resolved(kind.schema)
    payload = {**payload, "properties": {**payload.get("properties", {}), "seq": SEQ}}
    types: Schema = {"enum": sorted(kind.types)} if kind.types else {**EVENT_TYPE, "examples": [f"{kind.name}.created"]}
    # a type that one kind owns need not name its family
    required = [] if kind.types else ["family"]
    named = {"type": types, "family": {"const": kind.name, "examples": [kind.name]}}
    if payload.get("required"):
        required.append("payload")
    return {**_envelope(payload, named, required), "title": f"{_name(kind)} event"}


def _envelope(payload: Schema, named: Schema, required: list[str]) -> Schema:
    members = {
        "id": {**EVENT_ID, "examples": [SAMPLE_ID]},
        "userId": USER_ID,
        "type": {**EVENT_TYPE, "examples": ["page.viewed"]},
        "payload": payload,
        "timestamp": TIMESTAMP,
    }
    return {
        "type": "object",
        "properties": {**members, **named},
        "required": ["id", "userId", "type", "timestamp", *required],
    }


def _in_own_form(kind: Formed) -> Schema:
    """As at the door, but members that the schema does not name pass."""
    body = {name: value for name, value in body_schema(kind).items() if name != "additionalProperties"}
    return _message(f"A {_name(kind)} event in its own form", body, keyed=False)


def _dead_letter() -> Schema:
    copy = _message("The bytes and the key of a message that failed for good", {}, keyed=False)
    headers = {
        "headers": LETTER,
        "examples": [{"headers": example_of(LETTER, nested_schemas), "payload": "the message"}],
    }
    return {**copy, **headers}


def _message(summary: str, payload: Schema, *, keyed: bool) -> Schema:
    key = {"key": {**TEXT, "description": "the userId"}} if keyed else {}
    return {
        "summary": summary,
        **({"headers": BY_THE_DOOR} if keyed else {}),
        "payload": payload,
        "bindings": {"kafka": {**key, **KAFKA}},
        "examples": [{"payload": example_of(payload, nested_schemas)}],
    }


def _channel(topic: str, messages: Mapping[str, Schema]) -> Schema:
    return {
        "address": topic,
        "messages": {name: {"name": name, **message} for name, message in messages.items()},
        "bindings": {"kafka": {"topic": topic, **KAFKA}},
    }


def _operation(name: str, action: str, channel: str, summary: str) -> dict[str, Any]:
    return {name: {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "summary": summary}}


def _receive_in_own_form(own: Iterable[Formed]) -> dict[str, Any]:
    operations: dict[str, Any] = {}
    for kind in own:
        text = "Written by others; the consumer makes envelopes of it."
        operations |= _operation(f"receive.{_name(kind)}", "receive", _own_channel(kind), text)
    return operations


def _own_channel(kind: Formed) -> str:
    return f"topic.{_name(kind)}"


def _name(kind: Formed) -> str:
    return f"{kind.name}.{kind.form.fixed_type}" if kind.form.fixed_type else kind.name
