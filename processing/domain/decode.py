"""Bytes to values: JSON read digit by digit, by one reader for the HTTP door, topics and files.

What the door accepts the consumer can therefore always use.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import Any, TypeVar

import msgspec
import orjson
from msgspec import Raw

from processing.domain.envelope import Envelope, EventId, EventType, Invalid, UserId
from processing.domain.numbers import MAX_INTEGER, MIN_INTEGER, is_storable, with_integers, write_number
from processing.domain.timestamps import parse_time
from processing.domain.unreadable import explain, leaves

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)

Decoded = tuple[dict[str, Any], bytes]  # a payload as an object, and as compact JSON text

NUL = b"\\u0000"
NULL = Raw(b"null")
BOM = b"\xef\xbb\xbf"
# all that decoders raise; ArithmeticError: a number with an exponent that no Decimal has
TROUBLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ArithmeticError)


class _OpenEnvelope(msgspec.Struct):
    """As programs other than ours may write it: members that we don't know are ignored."""

    id: EventId
    userId: UserId  # noqa: N815 - the wire's name
    type: EventType
    timestamp: Any
    payload: Raw = NULL
    family: str | None = None


def exact_decoder(of: type[T]) -> msgspec.json.Decoder[T]:
    """Where the type leaves a number open, one that is no integer literal becomes a Decimal."""
    return msgspec.json.Decoder(of, float_hook=Decimal)


_envelope_decoder = msgspec.json.Decoder(Envelope)
_open_decoder = exact_decoder(_OpenEnvelope)
_object_decoder = exact_decoder(dict[str, Any])
_any_decoder = exact_decoder(object)
_members_decoder = msgspec.json.Decoder(dict[str, Raw])
_encode = msgspec.json.Encoder().encode


def decode_envelope(value: bytes) -> Envelope:
    """Read a Kafka value. Raises `Invalid`. The payload is not decoded yet, see `validate.check_event`."""
    try:
        envelope = _envelope_decoder.decode(value)
    except TROUBLE:
        envelope = _decode_open(value)
    if NUL in value:
        refuse_nul(value)
    return envelope


def _decode_open(value: bytes) -> Envelope:
    """The slow way, for what is not written as we write it."""
    read = decode_json(_open_decoder, value)
    dump_object(decode_object(value), "")  # ignored members must be valid JSON too
    stamp = parse_time(read.timestamp, "timestamp")
    return Envelope(read.id, read.userId, read.type, read.payload, stamp, read.family)


def decode_object(value: bytes | Raw, path: str = "") -> dict[str, Any]:
    """A JSON object with its numbers as they are: integers, or Decimals. Raises `Invalid`."""
    return decode_json(_object_decoder, value, path)


def read_payload(raw: bytes | Raw, path: str = "payload") -> Decoded:
    """The payload as an object and as compact JSON text; null is an empty one. Raises `Invalid`, also for what Postgres
    could not store."""
    try:
        payload = _object_decoder.decode(raw)
    except TROUBLE:
        payload = {} if raw == NULL else decode_json(_object_decoder, raw, path)
    try:
        return payload, orjson.dumps(payload, default=write_number)
    except orjson.JSONEncodeError as error:
        raise _unstorable(payload, path, error) from error


def dump_json(value: Any) -> bytes:
    """Compact JSON of what was read here, every digit of it. Raises `orjson.JSONEncodeError`."""
    return orjson.dumps(value, default=write_number)


def dump_object(members: dict[str, Any], path: str) -> bytes:
    """The same, of what nobody has looked into yet: raises `Invalid`, which names what could not be stored."""
    try:
        return orjson.dumps(members, default=write_number)
    except orjson.JSONEncodeError as error:
        raise _unstorable(members, path, error) from error


def _unstorable(members: dict[str, Any], path: str, error: orjson.JSONEncodeError) -> Invalid:
    """A number is too large, or all is nested deeper than 254 levels."""
    for where, leaf in leaves(members, path):
        if type(leaf) is int and not MIN_INTEGER <= leaf <= MAX_INTEGER:
            return Invalid(where, "is an integer beyond 64 bits: send it as a string")
        if type(leaf) is Decimal and not is_storable(leaf):
            return Invalid(where, "is a number beyond what a double can tell: send it as a string")
    return Invalid(path, str(error))


def read_as(schema: type[S], members: dict[str, Any], path: str = "payload") -> S:
    """A decoded payload as its schema. Raises `Invalid`."""
    try:
        return msgspec.convert(members, schema)
    except msgspec.ValidationError:  # perhaps of an integer that is written as a decimal, or of a key that is a number
        try:
            return msgspec.convert(with_integers(type_info(schema), members), schema, str_keys=True)
        except msgspec.ValidationError as error:
            raise _invalid(error, path) from error


type_info = cache(msgspec.inspect.type_info)


def decode_json(decoder: msgspec.json.Decoder[T], value: bytes | Raw, path: str = "") -> T:
    """Decode and check JSON, behind a byte order mark if there is one; every way in which that can fail is an `Invalid`
    below `path`."""
    try:
        try:
            return decoder.decode(value)
        except msgspec.ValidationError:  # perhaps of a member that comes again
            return decoder.decode(_without_repeated(value))
    except msgspec.ValidationError as error:
        raise _invalid(error, path) from error
    except msgspec.DecodeError as error:
        text = bytes(value)
        if text.startswith(BOM):
            return decode_json(decoder, text.removeprefix(BOM), path)
        raise explain(text, path, error) from error
    except UnicodeDecodeError as error:
        raise Invalid(path, f"is not valid UTF-8: {error.reason} at byte {error.start}") from error
    except RecursionError as error:
        raise Invalid(path, "is nested too deeply") from error
    except ArithmeticError as error:
        raise Invalid(path, "has a number with an exponent beyond all measure") from error


def _without_repeated(value: bytes | Raw) -> bytes | Raw:
    """An object with the last of its repeated members; anything else as it is.

    Not further down: to take deeply nested JSON apart level by level costs the square of its size.
    """
    try:
        return _encode(_members_decoder.decode(value))
    except msgspec.MsgspecError:
        return value


def _invalid(error: msgspec.ValidationError, path: str) -> Invalid:
    message, _, where = str(error).partition(" - at `$")
    own = error.__cause__
    inner = where.rstrip("`").lstrip(".")
    if isinstance(own, Invalid):
        return Invalid(".".join(filter(None, (path, inner, own.path))), own.message)
    return _named(".".join(filter(None, (path, inner))), message)


def _named(path: str, message: str) -> Invalid:
    """msgspec tells the object and has the member's name in its text: make it the path."""
    for start, meaning in (
        ("Object contains unknown field `", "is not a known member"),
        ("Object missing required field `", "is missing"),
    ):
        if message.startswith(start):
            member = message.removeprefix(start).removesuffix("`")
            return Invalid(f"{path}.{member}" if path else member, meaning)
    if message.startswith("Expected `object") and message.endswith("got `array`"):
        message += "; an object without members is {}, which PHP writes for (object)[]"
    return Invalid(path, message)


def check_not_blank(text: str, path: str) -> None:
    if text.isspace():
        raise Invalid(path, "is blank")


def refuse_nul(value: bytes, path: str = "") -> None:
    """Refuse a string with NUL, which no store takes, wherever it stands.

    The search for `NUL` in the bytes is cheap, and so the caller's; this walk is rare.
    """
    for where, leaf in leaves(decode_json(_any_decoder, value), path):
        if type(leaf) is str and "\0" in leaf:
            raise Invalid(where, "has a NUL character")
