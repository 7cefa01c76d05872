"""The event families: each one declaration, in the app that owns it.

`apps.py` imports each app's `families` module at start-up, which calls `register` for each family.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from processing.domain.envelope import Envelope, Event, Invalid, decode_envelope, decode_json, read_payload, read_seq

Handler = Callable[[Sequence[Event]], None]


@dataclass(frozen=True)
class Family:
    """A kind of event.

    `schema` describes the payload; `seq` and `fail` belong to the pipeline and are not part of it. Unknown members
    pass. `handler` gets the events of a batch, in order, inside the transaction that records them: it writes with
    Django's default connection and raises to have the event retried. `types` are event types that belong to the
    family when a message names no family; a family that has any takes no others.

    A handler that locks rows which other transactions lock too does so in byte order. If it is to be called several
    times in a transaction, `locks` gets all those events beforehand, and locks what is there of their rows.
    """

    name: str
    schema: type[msgspec.Struct]
    handler: Handler
    types: frozenset[str] = frozenset()
    locks: Handler | None = None
    decoder: msgspec.json.Decoder[msgspec.Struct] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "decoder", msgspec.json.Decoder(self.schema))


@dataclass(frozen=True)
class Topic:
    """A Kafka topic whose messages have a form of their own.

    `read` makes the envelope that a message stands for, `explain` puts what is wrong with that envelope in the words
    of the form. The first raises `Invalid`, the second returns it.
    """

    name: str
    read: Callable[[bytes], Envelope]
    explain: Callable[[Invalid], Invalid]


_families: dict[str, Family] = {}
_family_of_type: dict[str, str] = {}
_topics: dict[str, Topic] = {}


def register(family: Family) -> Family:
    """Make a family known. Raises `ValueError` when its name is no identifier, or it or one of its types is taken."""
    if not family.name.isidentifier():
        raise ValueError(f"event family {family.name!r}: the name must be an identifier, such as 'game'")
    if family.name in _families:
        raise ValueError(f"event family {family.name!r} is declared twice")
    for event_type in family.types:
        owner = _family_of_type.setdefault(event_type, family.name)
        if owner != family.name:
            raise ValueError(f"event type {event_type!r} belongs to {owner!r}, {family.name!r} cannot own it too")
    _families[family.name] = family
    return family


def register_topic(topic: Topic) -> Topic:
    """Have a topic consumed beside `events`. Raises `ValueError` when it is taken."""
    if topic.name in _topics:
        raise ValueError(f"topic {topic.name!r} is declared twice")
    _topics[topic.name] = topic
    return topic


def own_topics() -> tuple[str, ...]:
    """The names of the topics that families have of their own."""
    return tuple(_topics)


def topic_of(name: str) -> Topic:
    """How to read what stands in a topic: envelopes, if no family has it for its own."""
    return _topics.get(name) or Topic(name, decode_envelope, lambda error: error)


def families() -> tuple[Family, ...]:
    return tuple(_families.values())


def get_family(name: str) -> Family:
    """Raises `Invalid` for a name that nobody declared."""
    family = _families.get(name)
    if family is None:
        known = ", ".join(sorted(_families)) or "none"
        raise Invalid("family", f"{name!r} is not a known event family (known: {known})")
    return family


def read_event(envelope: Envelope) -> Event:
    """Check an envelope's payload, by its family's schema if it has one. Raises `Invalid`."""
    payload, text = read_payload(envelope.payload)
    name = envelope.family if envelope.family is not None else _family_of_type.get(envelope.type, "")
    data = None
    if name or envelope.family is not None:
        family = get_family(name)
        if family.types and envelope.type not in family.types:
            raise Invalid("type", f"must be one of {', '.join(sorted(family.types))}")
        data = decode_json(family.decoder, envelope.payload, "payload")
    return Event(
        id=envelope.id,
        user_id=envelope.userId,
        type=envelope.type,
        family=name,
        seq=read_seq(payload),
        fail=payload.get("fail") is True,
        timestamp=envelope.timestamp,
        payload_json=text,
        payload=data,
    )


def restore_event(
    id: str, user_id: str, event_type: str, family: str, seq: int | None, timestamp: int, payload_json: bytes
) -> Event:
    """An event as the inbox keeps it. Its payload is decoded by its family only when it is handled (`decoded`)."""
    payload, _ = read_payload(payload_json)
    fail = payload.get("fail") is True
    return Event(id, user_id, event_type, family, seq, fail, timestamp, payload_json, None)


def decoded(event: Event) -> Event:
    """The event with its payload as its family's schema. Raises `Invalid` if the schema has moved on without it."""
    if event.payload is not None:
        return event
    family = get_family(event.family)
    return msgspec.structs.replace(event, payload=decode_json(family.decoder, event.payload_json, "payload"))
