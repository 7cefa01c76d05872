"""The envelope: what an event is on its way through Kafka, and how its bytes are read.

One reader serves the HTTP door, the consumer and files, so that what the door accepts the consumer can always use.
"""

from __future__ import annotations

from typing import Annotated, Any, Generic

import msgspec
import orjson
from msgspec import Meta, Raw
from typing_extensions import TypeVar

MAX_SEQ = 2**53 - 1  # the largest integer that every JSON implementation keeps exact
MIN_TIMESTAMP_MS = -62_135_596_800_000  # 0001-01-01T00:00:00Z
MAX_TIMESTAMP_MS = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z

EventId = Annotated[str, Meta(min_length=1, max_length=255)]
UserId = Annotated[str, Meta(min_length=1, max_length=255)]
EventType = Annotated[str, Meta(min_length=1, max_length=100)]
TimestampMs = Annotated[int, Meta(ge=MIN_TIMESTAMP_MS, le=MAX_TIMESTAMP_MS)]

PIPELINE_MEMBERS = frozenset({"seq", "fail"})  # of any payload; they belong to the pipeline, not to the family

T = TypeVar("T")
P = TypeVar("P", default=Any)  # what the payload is


class Invalid(ValueError):
    """The sender's fault: `path` names the member (`payload.seq`, or empty for the whole), `message` is one line.

    A schema's own check (`__post_init__`) may raise it with a path below the schema's own.
    """

    def __init__(self, path: str, message: str) -> None:
        super().__init__(path, message)
        self.path = path
        self.message = message

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class Envelope(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """The Kafka value of the `events` topic."""

    id: EventId
    userId: UserId  # noqa: N815 - the wire's name
    type: EventType
    payload: Raw
    timestamp: TimestampMs
    family: str | None = None


class _OpenEnvelope(Envelope, forbid_unknown_fields=False):
    """As programs other than ours may write it: members that we don't know are ignored."""


class Event(msgspec.Struct, Generic[P], frozen=True, gc=False):
    """One event, read and checked: what the pipeline and the handlers work with."""

    id: str
    user_id: str
    type: str
    family: str  # empty: no family, nothing to do but to record it
    seq: int | None
    fail: bool  # the sender asks for a failure (`payload.fail`)
    timestamp: int  # Unix ms
    payload_json: bytes  # compact; of repeated members the last
    payload: P  # the family's schema, an instance; None without a family
    members: dict[str, Any] = {}


_envelope_decoder = msgspec.json.Decoder(Envelope)
_open_decoder = msgspec.json.Decoder(_OpenEnvelope)
_payload_decoder = msgspec.json.Decoder(dict[str, Any])
_members_decoder = msgspec.json.Decoder(dict[str, Raw])
_any_decoder = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()


def encode_envelope(envelope: Envelope) -> bytes:
    """The Kafka value; the payload's bytes go in as they are."""
    return _encoder.encode(envelope)


def decode_envelope(value: bytes) -> Envelope:
    """Read a Kafka value. Raises `Invalid`. The payload is not decoded yet, see `validate.check_event`."""
    try:
        envelope = _envelope_decoder.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        envelope = decode_json(_open_decoder, value)
        read_payload(value, "")  # ignored members must be valid JSON too
    check_not_blank(envelope.userId, "userId")
    check_not_blank(envelope.type, "type")
    check_text(value)
    return envelope


def read_payload(raw: bytes | Raw, path: str = "payload") -> tuple[dict[str, Any], bytes]:
    """The payload as an object and as compact JSON text. Raises `Invalid`, also for what Postgres could not store."""
    payload = decode_json(_payload_decoder, raw, path)
    try:
        return payload, orjson.dumps(payload)
    except orjson.JSONEncodeError as error:  # an integer beyond 64 bits, or nested deeper than 254 levels
        raise Invalid(path, str(error)) from error


def read_seq(payload: dict[str, Any]) -> int | None:
    """`payload.seq`, None if there is none. Raises `Invalid`: true, 1.0 and "1" are no integers."""
    if "seq" not in payload:
        return None
    seq = payload["seq"]
    if type(seq) is not int or not 1 <= seq <= MAX_SEQ:
        raise Invalid("payload.seq", f"must be an integer from 1 to {MAX_SEQ}")
    return seq


def decode_json(decoder: msgspec.json.Decoder[T], value: bytes | Raw, path: str = "") -> T:
    """Decode and check JSON; every way in which that can fail is an `Invalid` below `path`."""
    try:
        try:
            return decoder.decode(value)
        except msgspec.ValidationError:  # perhaps of a member that comes again
            return decoder.decode(_without_repeated(value))
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `$")
        own = error.__cause__
        inner = where.rstrip("`").lstrip(".")
        if isinstance(own, Invalid):
            raise Invalid(".".join(filter(None, (path, inner, own.path))), own.message) from error
        raise _named(".".join(filter(None, (path, inner))), message) from error
    except msgspec.DecodeError as error:
        raise Invalid(path, f"is not valid JSON: {error}") from error
    except UnicodeDecodeError as error:
        raise Invalid(path, f"is not valid UTF-8: {error.reason} at byte {error.start}") from error
    except RecursionError as error:
        raise Invalid(path, "is nested too deeply") from error


def _without_repeated(value: bytes | Raw) -> bytes | Raw:
    """An object with the last of its repeated members; anything else as it is.

    Not further down: to take deeply nested JSON apart level by level costs the square of its size.
    """
    try:
        return _encoder.encode(_members_decoder.decode(value))
    except msgspec.MsgspecError:
        return value


def _named(path: str, message: str) -> Invalid:
    """msgspec tells the object and has the member's name in its text: make it the path."""
    for start, meaning in (
        ("Object contains unknown field `", "is not a known member"),
        ("Object missing required field `", "is missing"),
    ):
        if message.startswith(start):
            member = message.removeprefix(start).removesuffix("`")
            return Invalid(f"{path}.{member}" if path else member, meaning)
    return Invalid(path, message)


def check_not_blank(text: str, path: str) -> None:
    if text.isspace():
        raise Invalid(path, "is blank")


def check_text(value: bytes) -> None:
    """Refuse what no store takes, wherever it stands: bytes that are not UTF-8, strings with NUL.

    Lone surrogates and NaN are refused by the decoder itself. The search is cheap, the full walk rare.
    """
    if not value.isascii():
        try:
            value.decode()
        except UnicodeDecodeError as error:
            raise Invalid("", f"is not valid UTF-8: {error.reason} at byte {error.start}") from error
    if b"\\u0000" in value:
        _refuse_nul(decode_json(_any_decoder, value), "")


def _refuse_nul(node: Any, path: str) -> None:
    stack = [(node, path)]
    while stack:
        node, path = stack.pop()
        if isinstance(node, str) and "\0" in node:
            raise Invalid(path, "has a NUL character")
        if isinstance(node, dict):
            stack.extend((key, path) for key in node)
            stack.extend((child, f"{path}.{key}" if path else key) for key, child in node.items())
        elif isinstance(node, list):
            stack.extend((child, f"{path}[{index}]") for index, child in enumerate(node))
