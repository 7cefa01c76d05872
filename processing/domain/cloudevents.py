"""CloudEvents 1.0.2 as they are sent, by HTTP or Kafka, binary or structured; `cloudevent_mapping` makes envelopes of
them. The bindings are followed where SDKs follow them, and read leniently where they do not."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec
from django.conf import settings
from msgspec import Raw

from processing.domain.decode import BOM, NULL, TROUBLE, decode_json, exact_decoder
from processing.domain.envelope import Invalid
from processing.domain.numbers import as_integer

Headers = Sequence[tuple[str, bytes | None]]  # of a Kafka message

MEDIA_TYPE = "application/cloudevents"  # "+json" or "-batch+json" follows, and parameters
HTTP, KAFKA = "ce-", "ce_"  # before the attributes' names in headers
DOOR_HEADER = "cloudevent"  # of an envelope that the door has made of a CloudEvent
ATTRIBUTES = ("specversion", "id", "source", "type", "time", "sequence", "seq")  # beside those that tell the user
EMPTY = b"{}"

_members = msgspec.json.Decoder(dict[str, Raw])
_any = exact_decoder(object)
_text = msgspec.json.Decoder(str)
_QUOTED = re.compile(r'"(.*)"', re.DOTALL)


class CloudEvent(msgspec.Struct):
    """An event as it was sent. `data` is JSON text; `data_member` and `prefix` (of attributes) are the sender's names
    for things."""

    attributes: dict[str, str]  # none is empty
    data: bytes
    data_member: str = "data"
    prefix: str = ""


def is_structured(value: bytes) -> bool:
    """Whether a JSON object is a CloudEvent, whatever its content type says."""
    if b'"specversion"' not in value:
        return False
    try:
        return "specversion" in _members.decode(value.removeprefix(BOM))
    except TROUBLE:
        return False


def read_structured(value: bytes | Raw) -> CloudEvent:
    """A CloudEvent as one JSON object. Raises `Invalid`."""
    members = decode_json(_members, value)
    data, encoded = members.pop("data", NULL), members.pop("data_base64", NULL)
    attributes = {name: _read_attribute(name, raw) for name, raw in members.items()}
    if encoded == NULL:
        return _cloud_event(attributes, bytes(data))
    if data != NULL:
        raise Invalid("data_base64", "stands beside data: send one of them")
    return _cloud_event(attributes, _decode_base64(encoded), data_member="data_base64")


def read_http(headers: Mapping[str, bytes], body: bytes) -> CloudEvent:
    """A binary one by HTTP; `headers` by the attributes' names. Raises `Invalid`."""
    for name in (*ATTRIBUTES, *settings.CLOUDEVENTS_USER):
        if headers.get(name) == b"":  # the web server passes no other bytes than ASCII on
            raise Invalid(HTTP + name, "is empty, or not ASCII: percent-encode it, or send the event structured")
    return _cloud_event({name: read_http_header(name, value) for name, value in headers.items()}, body, prefix=HTTP)


def read_http_header(name: str, value: bytes) -> str:
    """An attribute's value: perhaps quoted, percent-encoded by some senders and not by others. Raises `Invalid`."""
    text = _utf8(HTTP + name, value)
    if quoted := _QUOTED.fullmatch(text):
        text = re.sub(r"\\(.)", r"\1", quoted[1])
    try:
        decoded = unquote_to_bytes(text).decode()
    except UnicodeDecodeError:  # as %FF, which is nobody's encoding
        return text
    # no URI has a blank, so its sender does not encode headers, and %20 is the URI's own
    return text if name == "source" and " " in decoded and " " not in text else decoded


def find_headers(headers: Any) -> Headers | None:
    """A polled message's headers if they tell of a CloudEvent."""
    return headers if any(_tells_of_one(name.lower(), value) for name, value in headers or ()) else None


def _tells_of_one(name: str, value: bytes | None) -> bool:
    return name.startswith(KAFKA) or name == DOOR_HEADER or (name == "content-type" and _is_media_type(value))


def _is_media_type(value: bytes | None) -> bool:
    return value is not None and value.strip().lower().startswith(MEDIA_TYPE.encode())


def is_of_door(headers: Headers) -> bool:
    """Whether the message's value is an envelope."""
    return headers[0][0] == DOOR_HEADER


def read_kafka(headers: Headers, key: bytes | None, value: bytes | None) -> CloudEvent:
    """A CloudEvent of either mode. Raises `Invalid`."""
    named = {name.lower(): each for name, each in headers if each is not None}
    texts = {name: _utf8(name, each) for name, each in named.items() if name.startswith(KAFKA)}
    if not texts or _is_media_type(named.get("content-type")):
        event = read_structured(value or b"")
    else:
        attributes = {name.removeprefix(KAFKA): text for name, text in texts.items()}
        event = _cloud_event(attributes, value or b"", prefix=KAFKA)
    users = settings.CLOUDEVENTS_USER
    if key and "partitionkey" in users and event.attributes.keys().isdisjoint(users):
        event.attributes["partitionkey"] = _utf8("the key", key)  # Python's SDK 1 takes it out of binary messages
    return event


def _cloud_event(
    attributes: Mapping[str, str], data: bytes, *, data_member: str = "data", prefix: str = ""
) -> CloudEvent:
    told = {name: value for name, value in attributes.items() if value}
    return CloudEvent(told, _object_of(data.removeprefix(BOM).strip()), data_member, prefix)


def _object_of(data: bytes) -> bytes:
    """What is no object, but can mean one only: nothing at all, and a text of JSON, which SDKs make of data that was
    JSON already."""
    if data in (b"", b"null"):
        return EMPTY
    if not data.startswith(b'"'):
        return data
    try:
        text = _text.decode(data).encode().strip()
    except TROUBLE:
        return data
    return text if text.startswith(b"{") else data


def _read_attribute(name: str, raw: Raw) -> str:
    """As text: SDKs write numbers and booleans as such. Null is empty, so left out."""
    value = as_integer(decode_json(_any, raw, name))
    if isinstance(value, dict | list):
        raise Invalid(name, "must be a text, a number, true or false, as every attribute")
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _decode_base64(raw: Raw) -> bytes:
    try:
        return base64.b64decode(decode_json(_text, raw, "data_base64"), validate=True)
    except (binascii.Error, ValueError) as error:
        if isinstance(error, Invalid):
            raise
        raise Invalid("data_base64", f"is not base64: {error}") from error


def _utf8(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise Invalid(name, "is not UTF-8: send it as UTF-8, by HTTP percent-encoded") from error
