"""Bodies in a family's own form: how an endpoint's own member names map to the envelope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import msgspec
from msgspec import Raw

from ingest.parsing import split
from ingest.parsing.candidate import Context, Parsed, Refused
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
from processing.domain.envelope import Envelope, EventId, EventType, Invalid, UserId, check_text, decode_json

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
    """A body on the wire. What is none of the named members goes into the payload under its own name.

    `path` is the endpoint for one event or a list, empty for a kind with an endpoint of its own. `user` and `type` name
    the members that become the envelope's; with `fixed_type` all events are of that type, and no member tells it.
    `event_id` and `timestamp` say whether the members of these names are there: "optional", "required" or "none".
    The user's member stays in the payload as well if `user_in_payload`. Events that are not `rated` take no unit of a
    rate limit.
    """

    path: str = ""
    user: str = "userId"
    type: str = "eventType"
    fixed_type: str = ""
    event_id: str = "optional"
    timestamp: str = "required"
    user_in_payload: bool = False
    rated: bool = True

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
        kind = "none" if self.fixed_type else "required"
        return {"eventId": self.event_id, "timestamp": self.timestamp, "type": kind}.get(name, "required")


class Formed(Protocol):
    """A kind of event that has a form: `name` is its family's."""

    @property
    def name(self) -> str: ...

    @property
    def schema(self) -> type[msgspec.Struct]: ...

    @property
    def types(self) -> frozenset[str]: ...

    @property
    def form(self) -> EventForm: ...


def parse_form(kind: Formed, text: bytes, key: str | None, context: Context) -> Parsed:
    """One event in its family's form."""
    try:
        check_key(key, KEY_HEADER)
    except Invalid as error:
        return refused_form(kind, error, text)
    return _parse(kind, text, key, context, "")


def _parse(kind: Formed, text: bytes, key: str | None, context: Context, where: str) -> Parsed:
    try:
        made = candidate(event_body(kind, _read_members(text)), key, context)
        made.rated = kind.form.rated
        return made
    except Invalid as error:
        return refused_form(kind, in_own_names(kind.form, error), text, where)


def refused_form(kind: Formed, error: Invalid, text: bytes, where: str = "") -> Refused:
    """What a body that cannot be used is remembered by."""
    form = kind.form
    return refused(error, text, where, (form.user, form.type), form.fixed_type)


def read_message(kind: Formed, value: bytes) -> Envelope:
    """The envelope that a message of the family's own topic stands for. Raises `Invalid`."""
    return envelope_of(event_body(kind, _read_members(value)), now=0)


def parse_form_list(kind: Formed, text: bytes, key: str | None, limit: int, context: Context) -> list[Parsed]:
    """A list of events; item i has the idempotency key `{key}#{i}`. Raises `Invalid` for a list that cannot be used."""
    check_key(key, KEY_HEADER)
    items = _split(text, limit)
    check_count(items, limit, "")
    keys = [None if key is None else f"{key}#{index}" for index in range(len(items))]
    return [
        _parse(kind, bytes(item), own, context, f"[{index}]")
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


def event_body(kind: Formed, members: dict[str, Raw]) -> EventBody:
    """The event that a body's members stand for. Raises `Invalid`, with paths by the envelope's names."""
    form = kind.form
    head, payload = _split_members(form, members)
    try:
        values: dict[str, Any] = {ours: _readers[ours].decode(raw) for ours, raw in head.items()}
    except (msgspec.MsgspecError, UnicodeDecodeError):  # which one, and why, is told by reading them again
        values = {ours: decode_json(_readers[ours], raw, ours) for ours, raw in head.items()}
    if form.fixed_type:
        values["type"] = form.fixed_type
    return EventBody(**values, payload=Raw(_encode(payload)), family=kind.name)


def envelope_members(kind: Formed, members: dict[str, Raw]) -> dict[str, Any]:
    """The same as members of `POST /events`, which nobody has looked into. Raises `Invalid` for one that is missing."""
    head, payload = _split_members(kind.form, members)
    fixed = {"type": kind.form.fixed_type} if kind.form.fixed_type else {}
    return {**head, **fixed, "payload": payload, "family": kind.name}


def _split_members(form: EventForm, members: dict[str, Raw]) -> tuple[dict[str, Raw], dict[str, Raw]]:
    """The envelope's members under their own names, and the payload. Null is left out."""
    payload = {name: raw for name, raw in members.items() if raw != NULL}
    head: dict[str, Raw] = {}
    for ours, theirs in form.names.items():
        raw = payload.pop(theirs, None)
        if raw is not None:
            head[ours] = raw
        elif ours in form.required:
            raise Invalid(theirs, "is missing")
    if form.user_in_payload:
        payload[form.user] = head["userId"]
    return head, payload


def in_own_names(form: EventForm, error: Invalid) -> Invalid:
    """The error's path in the body's own names: `payload.seq` is its `seq`."""
    path = error.path.removeprefix("payload").removeprefix(".")
    if path == error.path:
        path = form.names.get(path, path)
    error.path = path
    return error
