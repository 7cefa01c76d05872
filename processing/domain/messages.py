"""A message, and what it is read as: an arrival with its event, or a poison with the reason."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import Protocol

import msgspec
from django.conf import settings

from processing.domain import cloudevents
from processing.domain.carried import Carried, Names, read_carried
from processing.domain.cloudevent_mapping import in_own_names, readable, to_envelope
from processing.domain.decode import decode_envelope
from processing.domain.envelope import MAX_TIMESTAMP_MS, MIN_BARE_MS, Envelope, Event, Invalid
from processing.domain.failures import Cause, cause_of_poison
from processing.domain.families import find_kind, owner_of_topic
from processing.domain.identity import is_uuid_shaped
from processing.domain.texts import storable
from processing.domain.validate import check_event

MAX_FAMILY_CHARS = 100  # of one that nobody declared: it stands in an index, which takes no long text


def read_message(message: Message, max_bytes: int | None = None) -> Arrival | Poison:
    """The event that a message carries, or why it carries none, in the words of its topic's form.

    `max_bytes`: EVENT_MAX_BYTES, for callers with many messages: a setting is slow to ask for.
    """
    if message.headers is not None and not cloudevents.is_of_door(message.headers):
        return _read_cloudevent(message)
    envelope: Envelope | None = None
    owner = owner_of_topic(message.topic or "")
    try:
        if message.value is None:
            raise Invalid("", "has no value (a tombstone)")
        if max_bytes is None:
            max_bytes = settings.EVENT_MAX_BYTES
        if len(message.value) > max_bytes:
            raise _too_large(message.value)
        payload = None
        if owner is None:
            envelope = decode_envelope(message.value)
        else:
            envelope, payload = owner.read_message(message.value)
        kind = find_kind(envelope.family, envelope.type)
        return Arrival(check_event(envelope, kind, decoded=payload), message, message.headers is not None)
    except Invalid as invalid:
        if envelope is None and owner is None and cloudevents.is_structured(message.value or b""):
            return _read_cloudevent(message)
        error = invalid if owner is None else owner.explain(invalid)
        if envelope is None:
            return make_poison(message, error)
        return make_poison(message, error, Carried(envelope.id, envelope.userId, envelope.type), envelope.family or "")


def _read_cloudevent(message: Message) -> Arrival | Poison:
    event: cloudevents.CloudEvent | None = None
    try:
        if len(message.value or b"") > settings.EVENT_MAX_BYTES:
            raise _too_large(message.value or b"")
        event = cloudevents.read_kafka(message.headers or (), message.key, message.value)
        envelope, payload = to_envelope(event, _written_at(message))
        kind = find_kind(None, envelope.type)
        return Arrival(check_event(envelope, kind, decoded=payload), message, True)
    except Invalid as error:
        if event is None:
            return make_poison(message, error)
        return make_poison(message, in_own_names(event, error), Carried(*readable(event)))


def may_be_cloudevent(outcome: Arrival | Poison) -> bool:
    """Of a message that was read without its headers: whether they may say more. An envelope that the door made of a
    CloudEvent has a blank in its id, or an id that was made of a long source and id."""
    if isinstance(outcome, Arrival):
        id = outcome.event.id
        return (" " in id or is_uuid_shaped(id)) and owner_of_topic(outcome.message.topic or "") is None
    return owner_of_topic(outcome.message.topic or "") is None


def _written_at(message: Message) -> int:
    """Unix ms."""
    at = message.written_at
    return at if at is not None and MIN_BARE_MS <= at <= MAX_TIMESTAMP_MS else time.time_ns() // 1_000_000


def _too_large(value: bytes) -> Invalid:
    return Invalid("", f"has {len(value)} bytes, allowed are {settings.EVENT_MAX_BYTES}")


def make_poison(message: Message, error: Invalid, carried: Carried | None = None, family: str = "") -> Poison:
    """Of a message that carries no event, or none that counts. `carried`: what is known of its event; else it is made
    out."""
    if carried is None:
        owner = owner_of_topic(message.topic or "")
        carried = read_carried(message.value, Names() if owner is None else owner.member_names())
    # the path has the sender's own member names, with whatever stands in them
    reason = storable(str(error) if error.path else f"the message {error}")
    return Poison(poison_id(message), message, reason, cause_of_poison(error), *carried, family[:MAX_FAMILY_CHARS])


def poison_id(message: Message) -> str:
    """An id for what has none of its own: the same message read again gets the same one."""
    place = f"{message.topic}\n{message.partition}\n{message.offset}\n".encode()
    return "poison-" + hashlib.sha256(place + (message.value or b"")).hexdigest()[:32]


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """An event as it came from Kafka.

    `one_content`: its id stands for one content, as that of a CloudEvent; with another it is a dead letter.
    """

    event: Event
    message: Message
    one_content: bool = False

    @property
    def written_at(self) -> int | None:
        return self.message.written_at


class Arrived(Protocol):
    """An event that arrives: an `Arrival`, or a file's line as one."""

    @property
    def event(self) -> Event: ...

    @property
    def message(self) -> Message: ...

    @property
    def written_at(self) -> int | None:
        """That of its message, which a file's line has to make first."""


class Message(msgspec.Struct, frozen=True, gc=False):
    """Where an event stood, and its bytes: a message in Kafka, or what a line of a file would have been there.

    Either `topic` and `partition` are set, or `import_run`, the number of the run over the file; then `offset` is the
    line's number. `headers` are kept where they tell of a CloudEvent. `written_at`: its time in the log (Unix ms),
    where that is known; `traceparent`: where traces are on.
    """

    topic: str | None
    partition: int | None
    offset: int
    key: bytes | None
    value: bytes | None
    import_run: int | None = None
    headers: cloudevents.Headers | None = None
    written_at: int | None = None
    traceparent: str | None = None


_headers = msgspec.json.Decoder(list[tuple[str, bytes | None]])


def write_headers(headers: cloudevents.Headers | None) -> str | None:
    """As a row keeps them: JSON, the values in base64."""
    return None if headers is None else msgspec.json.encode(headers).decode()


def read_headers(text: str | None) -> cloudevents.Headers | None:
    return None if text is None else _headers.decode(text)


@dataclass(frozen=True)
class Poison:
    """A message that could not be read. `carried_id`, `user_id` and `type` are set as far as they could be."""

    id: str
    message: Message
    error: str
    cause: Cause
    carried_id: str = ""
    user_id: str = ""
    type: str = ""
    family: str = ""
