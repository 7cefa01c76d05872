"""The envelope: what an event is on its way through Kafka, and how it is written. `decode.py` reads it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Generic

import msgspec
from msgspec import Meta, Raw
from typing_extensions import TypeVar

MAX_SEQ = 2**53 - 1  # the largest integer that every JSON implementation keeps exact
MIN_TIMESTAMP_MS = -62_135_596_800_000  # 0001-01-01T00:00:00Z
MAX_TIMESTAMP_MS = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z
MIN_BARE_MS = 10**11  # 1973-03-03: a smaller number on the wire is a mistake of unit, so an earlier time is text
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

EventId = Annotated[str, Meta(min_length=1, max_length=255)]
UserId = Annotated[str, Meta(min_length=1, max_length=255, examples=["u-1"])]
EventType = Annotated[str, Meta(min_length=1, max_length=100, examples=["page.viewed"])]
TimestampMs = Annotated[int, Meta(ge=MIN_BARE_MS, le=MAX_TIMESTAMP_MS)]

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
    timestamp: TimestampMs  # of an earlier time, which only `encode_envelope` and `decode_envelope` see as text, less
    family: str | None = None


class _EarlyEnvelope(msgspec.Struct, omit_defaults=True):
    """Of an event before MIN_BARE_MS."""

    id: str
    userId: str  # noqa: N815 - the wire's name
    type: str
    payload: Raw
    timestamp: str
    family: str | None = None


class Event(msgspec.Struct, Generic[P], frozen=True, gc=False):
    """One event, read and checked: what the pipeline and the handlers work with."""

    id: str
    user_id: str
    type: str
    family: str  # empty: no family, nothing to do but to record it
    seq: int | None
    fails: int  # how many tries the sender wants to fail (`payload.fail`)
    timestamp: int  # Unix ms
    payload_json: bytes  # compact, numbers digit by digit; of repeated members the last
    payload: P  # the family's schema, an instance; None without a family
    members: dict[str, Any] = {}  # numbers that are no integers as Decimals


_encoder = msgspec.json.Encoder()


def encode_envelope(envelope: Envelope) -> bytes:
    """The Kafka value; the payload's bytes go in as they are."""
    if envelope.timestamp < MIN_BARE_MS:
        early = (EPOCH + timedelta(milliseconds=envelope.timestamp)).isoformat(timespec="milliseconds")
        members = envelope.id, envelope.userId, envelope.type, envelope.payload
        return _encoder.encode(_EarlyEnvelope(*members, early.replace("+00:00", "Z"), envelope.family))
    return _encoder.encode(envelope)
