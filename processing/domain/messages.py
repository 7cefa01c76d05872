"""A message, and what it is read as: an arrival with its event, or a poison with the reason."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

import msgspec
from django.conf import settings

from processing.domain.decode import decode_envelope
from processing.domain.envelope import Envelope, Event, Invalid
from processing.domain.failures import Cause, cause_of_poison
from processing.domain.families import find_kind, owner_of_topic
from processing.domain.texts import storable
from processing.domain.validate import check_event


def read_message(message: Message, max_bytes: int | None = None) -> Arrival | Poison:
    """The event that a message carries, or why it carries none, in the words of its topic's form.

    `max_bytes`: EVENT_MAX_BYTES, for callers with many messages: a setting is slow to ask for.
    """
    envelope: Envelope | None = None
    owner = owner_of_topic(message.topic or "")
    try:
        if message.value is None:
            raise Invalid("", "has no value (a tombstone)")
        if max_bytes is None:
            max_bytes = settings.EVENT_MAX_BYTES
        if len(message.value) > max_bytes:
            raise Invalid("", f"has {len(message.value)} bytes, allowed are {max_bytes}")
        payload = None
        if owner is None:
            envelope = decode_envelope(message.value)
        else:
            envelope, payload = owner.read_message(message.value)
        kind = find_kind(envelope.family, envelope.type)
        return Arrival(check_event(envelope, kind, decoded=payload), message)
    except Invalid as invalid:
        error = invalid if owner is None else owner.explain(invalid)
        carried = (envelope.userId, envelope.type, envelope.family or "") if envelope is not None else ()
        # the path has the sender's own member names, with whatever stands in them
        reason = storable(str(error) if error.path else f"the message {error}")
        return Poison(poison_id(message), message, reason, cause_of_poison(error), *carried)


def poison_id(message: Message) -> str:
    """An id for what has none of its own: the same message read again gets the same one."""
    place = f"{message.topic}\n{message.partition}\n{message.offset}\n".encode()
    return "poison-" + hashlib.sha256(place + (message.value or b"")).hexdigest()[:32]


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """An event as it came from Kafka."""

    event: Event
    message: Message


class Arrived(Protocol):
    """An event that arrives: an `Arrival`, or a file's line as one."""

    @property
    def event(self) -> Event: ...

    @property
    def message(self) -> Message: ...


class Message(msgspec.Struct, frozen=True, gc=False):
    """Where an event stood, and its bytes: a message in Kafka, or what a line of a file would have been there.

    Either `topic` and `partition` are set, or `import_run`, the number of the run over the file; then `offset` is the
    line's number.
    """

    topic: str | None
    partition: int | None
    offset: int
    key: bytes | None
    value: bytes | None
    import_run: int | None = None


@dataclass(frozen=True)
class Poison:
    """A message that could not be read. `user_id` and `type` are set when at least its envelope could."""

    id: str
    message: Message
    error: str
    cause: Cause
    user_id: str = ""
    type: str = ""
    family: str = ""
