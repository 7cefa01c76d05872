"""The bodies of `POST /events` and `POST /events/batch`: from bytes to events, checked as the consumer checks them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Raw

from ingest.parsing import split
from ingest.parsing.candidate import (
    NO_FAMILY,
    Candidate,
    Context,
    FieldError,
    Forbidden,
    Parsed,
    Refused,
    TooLarge,
    is_for,
)
from ingest.parsing.identity import MAX_KEY_LENGTH, identify
from processing.domain.decode import NUL, NULL, TROUBLE, decode_json, exact_decoder, refuse_nul
from processing.domain.envelope import (
    Envelope,
    Event,
    EventId,
    EventType,
    Invalid,
    UserId,
    encode_envelope,
)
from processing.domain.families import SITE_UNIT, Family, find_kind
from processing.domain.timestamps import parse_time
from processing.domain.validate import check_event

LONGEST_MESSAGE = 500  # characters of a refusal: what the caller sent must not come back in full
KEY_HEADER = "Idempotency-Key"
EMPTY = Raw(b"{}")

Time = Annotated[
    Any,
    msgspec.Meta(
        extra_json_schema={
            "anyOf": [
                {"type": "integer", "description": "Unix ms from 10^11 on, or as TIMESTAMP_UNIT says"},
                {"type": "string", "format": "date-time"},
                {"type": "null"},
            ],
        }
    ),
]
RawObject = Annotated[
    Raw, msgspec.Meta(extra_json_schema={"type": ["object", "null"], "examples": [{"path": "/start"}]})
]


class EventHead(msgspec.Struct):
    """What every event has beside its payload. Null of an optional member means left out."""

    userId: UserId  # noqa: N815 - the wire's names, here and below
    type: EventType
    eventId: EventId | None = None  # noqa: N815
    timestamp: Time = None


class EventBody(EventHead, forbid_unknown_fields=True):
    """One event as a client writes it."""

    payload: RawObject = msgspec.field(
        default_factory=lambda: EMPTY
    )  # a default of its own, the OpenAPI could not tell
    family: str | None = None


class BatchEvent(EventBody, forbid_unknown_fields=True):
    """One event of a batch."""

    idempotencyKey: str | None = None  # noqa: N815


class Batch(msgspec.Struct, forbid_unknown_fields=True):
    events: list[BatchEvent]


class RawBatch(msgspec.Struct, forbid_unknown_fields=True):
    events: list[Raw]


_event = exact_decoder(EventBody)
_batch_event = exact_decoder(BatchEvent)
_batch = exact_decoder(Batch)
_raw_batch = msgspec.json.Decoder(RawBatch)
_members = msgspec.json.Decoder(dict[str, Raw])
_text = msgspec.json.Decoder(str)


def parse_one(body: bytes, key: str | None, context: Context) -> Parsed:
    """The body of `POST /events`; `key` is the Idempotency-Key."""
    try:
        check_key(key, KEY_HEADER)
        if NUL in body:
            refuse_nul(body)
        return candidate(decode(_event, body), key, context)
    except Invalid as error:
        return refused(error, body)


def parse_batch(body: bytes, limit: int, context: Context) -> list[Parsed]:
    """The events of `POST /events/batch`, in their order. Raises `Invalid` when the batch itself cannot be used."""
    try:
        events = _batch.decode(body).events
    except TROUBLE:
        return _parse_items(_split_batch(body, limit), limit, context)
    if NUL in body:
        return _parse_items(_split_batch(body, limit), limit, context)
    check_count(events, limit, "events")
    return [_batch_candidate(event, index, context) for index, event in enumerate(events)]


def _batch_candidate(event: BatchEvent, index: int, context: Context) -> Parsed:
    try:
        check_key(event.idempotencyKey, "idempotencyKey")
        return candidate(event, event.idempotencyKey, context)
    except Invalid as error:
        return refused_struct(error, event, f"events[{index}]")


def _parse_items(items: Sequence[bytes | Raw], limit: int, context: Context) -> list[Parsed]:
    """Item by item, after the whole could not be read at once: at least one of them is bad."""
    check_count(items, limit, "events")
    return [_parse_item(bytes(item), index, context) for index, item in enumerate(items)]


def _parse_item(item: bytes, index: int, context: Context) -> Parsed:
    try:
        if NUL in item:
            refuse_nul(item)
        event = decode(_batch_event, item)
        check_key(event.idempotencyKey, "idempotencyKey")
        return candidate(event, event.idempotencyKey, context)
    except Invalid as error:
        return refused(error, item, f"events[{index}]")


def _split_batch(body: bytes, limit: int) -> Sequence[bytes | Raw]:
    try:
        return _raw_batch.decode(body).events
    except TROUBLE:
        items = split.split_batch(body, limit)
    if items is not None:
        return items
    try:
        batch: RawBatch = decode(_raw_batch, body)
        return batch.events
    except Invalid as error:
        raise Invalid(error.path, shorten(error.message)) from error


def check_count(items: Sequence[Any], limit: int, path: str) -> None:
    if not items:
        raise Invalid(path, "is empty: send at least one event")
    if len(items) > limit:
        raise Invalid(path, f"has more than {limit} events: send at most so many at once")


def envelope_of(head: EventHead, payload: Raw, family: str | None, now: int, kind: Family | None) -> Envelope:
    """The envelope of a decoded event; without an id where it has none, of the time `now` (Unix ms) where it tells
    none. Raises `Invalid`."""
    unit = SITE_UNIT if kind is None else kind.timestamp_unit
    stamp = now if head.timestamp is None else parse_time(head.timestamp, "timestamp", unit)
    return Envelope(head.eventId or "", head.userId, head.type, payload, stamp, family)


def candidate(body: EventBody, key: str | None, context: Context) -> Candidate:
    """Check a decoded event and write the envelope that Kafka gets. Raises `Invalid`."""
    kind = find_kind(body.family, body.type)
    payload = body.payload if body.payload != NULL else EMPTY
    envelope = envelope_of(body, payload, body.family, context.now, kind)
    return publishable(body, check_event(envelope, kind, unknown_pass=False), envelope, key, context)


def publishable(head: EventHead, event: Event, envelope: Envelope, key: str | None, context: Context) -> Candidate:
    """A checked event with the envelope that Kafka gets, which is given an id if it has none. Raises `Invalid`."""
    if not is_for(context.kinds, event.family):
        raise Forbidden(
            "", f"is of {event.family or NO_FAMILY}: this API key is for {', '.join(sorted(context.kinds))}"
        )
    name = digest = ""
    if key is not None:
        stamp = None if head.timestamp is None else envelope.timestamp
        content = [envelope.userId, envelope.type, stamp, envelope.family, event.members]
        name, digest, envelope.id = identify(context.caller, key, head.eventId, content)
    elif not envelope.id:
        envelope.id = context.new_id()
    value = encode_envelope(envelope)
    check_size(value, context.max_bytes)
    known_before = head.eventId is not None or bool(name)
    return Candidate(envelope.id, event.user_id, event.type, event.timestamp, value, known_before, name, digest)


def check_size(value: bytes, max_bytes: int) -> None:
    if len(value) > max_bytes:
        raise TooLarge("", f"is {len(value)} bytes as it would be stored; at most {max_bytes} are allowed")


def check_key(key: str | None, path: str) -> None:
    if key is not None and (not 1 <= len(key) <= MAX_KEY_LENGTH or key.isspace()):
        raise Invalid(path, f"must have 1 to {MAX_KEY_LENGTH} characters and not be blank")


def decode(decoder: msgspec.json.Decoder[Any], value: bytes) -> Any:
    """As `decode_json`, by the quick way where it can."""
    try:
        return decoder.decode(value)
    except TROUBLE:
        return decode_json(decoder, value)


def refused(
    error: Invalid, item: bytes, where: str = "", names: tuple[str, str] = ("userId", "type"), fixed_type: str = ""
) -> Refused:
    """What an unreadable event is remembered by: whatever of it can be read. `names` are user's and type's members."""
    try:
        members = _members.decode(item)
    except TROUBLE:
        members = {}
    user, kind = names
    return Refused(
        error=field_error(error, where),
        id=_usable_text(members.get("eventId"), 255),
        user_id=_usable_text(members.get(user), 255),
        type=fixed_type or _usable_text(members.get(kind), 100),
        too_large=isinstance(error, TooLarge),
        forbidden=isinstance(error, Forbidden),
    )


def refused_struct(error: Invalid, event: EventBody, where: str) -> Refused:
    return Refused(
        field_error(error, where),
        event.eventId or "",
        event.userId,
        event.type,
        isinstance(error, TooLarge),
        isinstance(error, Forbidden),
    )


def field_error(error: Invalid, where: str) -> FieldError:
    joint = "." if where and error.path and not error.path.startswith("[") else ""
    return FieldError(shorten(f"{where}{joint}{error.path}"), shorten(error.message))


def shorten(text: str) -> str:
    """One line, of bounded length, without what no store takes."""
    line = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text[:LONGEST_MESSAGE])
    return line if len(text) <= LONGEST_MESSAGE else line + "…"


def _usable_text(raw: Raw | None, longest: int) -> str:
    if raw is None:
        return ""
    try:
        text = _text.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
    return text if len(text) <= longest and not text.isspace() and "\0" not in text else ""
