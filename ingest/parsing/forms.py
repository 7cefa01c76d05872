"""Family bodies: how an endpoint's own member names map to the envelope. Declared by each family beside its schema."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import msgspec
from msgspec import Raw

from ingest.parsing import split
from ingest.parsing.candidate import Context, Parsed
from ingest.parsing.events import (
    KEY_HEADER,
    NULL,
    EventBody,
    candidate,
    check_count,
    check_key,
    decode,
    envelope_of,
    refused,
)
from ingest.reading.listing import Listing
from processing.domain.envelope import Envelope, EventId, EventType, Invalid, UserId, check_text, decode_json
from processing.domain.families import Family, Topic, register_topic

_members = msgspec.json.Decoder(dict[str, Raw])
_items = msgspec.json.Decoder(list[Raw])
_encode = msgspec.json.Encoder().encode
_readers: dict[str, msgspec.json.Decoder[Any]] = {  # by the envelope's members
    "userId": msgspec.json.Decoder(UserId),
    "type": msgspec.json.Decoder(EventType),
    "eventId": msgspec.json.Decoder(EventId | None),
    "timestamp": msgspec.json.Decoder(int | str | None),
}


@dataclass(frozen=True)
class EventForm:
    """A family's body on the wire. What is none of the named members goes into the payload under its own name.

    `user` and `type` name the members that become the envelope's; `event_id` and `timestamp` say whether the members
    of these names are there: "optional", "required" or "none". `path` is the endpoint for one or a list, empty for a
    family with an endpoint of its own. Events that are not `rated` take no unit of a rate limit. `topic` is a Kafka
    topic that others write such bodies to, each a message; unknown members pass there.
    """

    family: Family
    path: str = ""
    user: str = "userId"
    type: str = "eventType"
    event_id: str = "optional"
    timestamp: str = "required"
    rated: bool = True
    topic: str = ""
    listing: Listing | None = None  # how GET lists what became of them

    @cached_property
    def names(self) -> dict[str, str]:
        """The body's name of each member that is the envelope's."""
        names = {"userId": self.user, "type": self.type, "eventId": "eventId", "timestamp": "timestamp"}
        return {ours: theirs for ours, theirs in names.items() if self.presence(ours) != "none"}

    @cached_property
    def required(self) -> frozenset[str]:
        """The envelope's members that must be there, by their own names."""
        return frozenset(ours for ours in self.names if self.presence(ours) == "required")

    def presence(self, name: str) -> str:
        """ "required", "optional" or "none", of a member of the envelope by its own name."""
        return {"eventId": self.event_id, "timestamp": self.timestamp}.get(name, "required")


_forms: list[EventForm] = []


def declare(body: EventForm) -> EventForm:
    """Make a body known; call it where the family is registered."""
    _forms.append(body)
    if body.topic:
        assert (body.event_id, body.timestamp) == ("required", "required"), f"{body.topic}: read again, it is the same"
        register_topic(Topic(body.topic, partial(read_message, body), partial(in_own_names, body)))
    return body


def forms() -> Sequence[EventForm]:
    return tuple(_forms)


def parse_form(body: EventForm, text: bytes, key: str | None, context: Context) -> Parsed:
    """One event in its family's form."""
    try:
        check_key(key, KEY_HEADER)
    except Invalid as error:
        return refused(error, text, names=(body.user, body.type))
    return _parse(body, text, key, context, "")


def _parse(body: EventForm, text: bytes, key: str | None, context: Context, where: str) -> Parsed:
    try:
        made = candidate(event_body(body, _read_members(text)), key, context)
        made.rated = body.rated
        return made
    except Invalid as error:
        return refused(in_own_names(body, error), text, where, (body.user, body.type))


def read_message(body: EventForm, value: bytes) -> Envelope:
    """The envelope that a message of the family's own topic stands for. Raises `Invalid`."""
    return envelope_of(event_body(body, _read_members(value)), now=0)


def parse_form_list(body: EventForm, text: bytes, key: str | None, limit: int, context: Context) -> list[Parsed]:
    """A list of events; item i has the idempotency key `{key}#{i}`. Raises `Invalid` for a list that cannot be used."""
    check_key(key, KEY_HEADER)
    items = _split(text, limit)
    check_count(items, limit, "")
    keys = [None if key is None else f"{key}#{index}" for index in range(len(items))]
    return [
        _parse(body, bytes(item), own, context, f"[{index}]")
        for index, (item, own) in enumerate(zip(items, keys, strict=True))
    ]


def is_list(text: bytes) -> bool:
    return text.lstrip(b" \t\r\n")[:1] == b"["


def _split(text: bytes, limit: int) -> Sequence[bytes | Raw]:
    try:
        items: Sequence[bytes | Raw] = decode(_items, text)
        return items
    except Invalid:
        found = split.split_list(text, limit)
        if found is None:
            raise
        return found


def _read_members(text: bytes) -> dict[str, Raw]:
    try:
        check_text(text)
    except Invalid as error:  # of a member by its own name, which `in_own_names` must not take for one of ours
        raise Invalid(f"payload.{error.path}" if error.path else "", error.message) from error
    members: dict[str, Raw] = decode(_members, text)
    return members


def event_body(body: EventForm, members: dict[str, Raw]) -> EventBody:
    """The event that a body's members stand for. Raises `Invalid`, with paths by the envelope's names."""
    head, payload = _split_members(body, members)
    values: dict[str, Any] = {ours: decode_json(_readers[ours], raw, ours) for ours, raw in head.items()}
    return EventBody(**values, payload=Raw(_encode(payload)), family=body.family.name)


def envelope_members(body: EventForm, members: dict[str, Raw]) -> dict[str, Any]:
    """The same as members of `POST /events`, which nobody has looked into. Raises `Invalid` for one that is missing."""
    head, payload = _split_members(body, members)
    return {**head, "payload": payload, "family": body.family.name}


def _split_members(body: EventForm, members: dict[str, Raw]) -> tuple[dict[str, Raw], dict[str, Raw]]:
    """The envelope's members under their own names, and the payload. Null is left out."""
    payload = {name: raw for name, raw in members.items() if raw != NULL}
    head: dict[str, Raw] = {}
    for ours, theirs in body.names.items():
        raw = payload.pop(theirs, None)
        if raw is not None:
            head[ours] = raw
        elif ours in body.required:
            raise Invalid(theirs, "is missing")
    return head, payload


def in_own_names(body: EventForm, error: Invalid) -> Invalid:
    """The error's path in the body's own names: `payload.seq` is its `seq`."""
    path = error.path.removeprefix("payload").removeprefix(".")
    if path == error.path:
        path = body.names.get(path, path)
    error.path = path
    return error
