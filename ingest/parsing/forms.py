"""Bodies in a family's own form: how an endpoint's own member names map to the envelope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from ingest.parsing import split
from ingest.parsing.candidate import Context, Parsed, Refused
from ingest.parsing.events import (
    KEY_HEADER,
    EventHead,
    check_count,
    check_key,
    decode,
    envelope_of,
    publishable,
    refused,
)
from processing.domain.carried import Names
from processing.domain.decode import NUL, NULL, Decoded, decode_object, dump_object, read_as, refuse_nul
from processing.domain.envelope import Envelope, Event, Invalid
from processing.domain.families import Family, kind_of
from processing.domain.validate import check_event

T = TypeVar("T")

_items = msgspec.json.Decoder(list[Raw])


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


@dataclass(frozen=True, kw_only=True)
class Formed(Family):
    """A kind of event that comes in by a body of its own form."""

    form: EventForm = field(default_factory=EventForm)

    def read_message(self, value: bytes) -> tuple[Envelope, Decoded | None]:
        body = read_form(self, _read_members(value), now=0)
        return body.envelope, body.payload

    def member_names(self) -> Names:
        return Names("eventId", self.form.user, self.form.type)

    def explain(self, error: Invalid) -> Invalid:
        return in_own_names(self.form, error)


@dataclass(frozen=True)
class FormBody:
    """What a body says: the envelope's members, its envelope, and the payload as an object and as JSON text."""

    head: EventHead
    envelope: Envelope
    payload: Decoded


def parse_form(kind: Formed, text: bytes, key: str | None, context: Context) -> Parsed:
    """One event in its family's form."""
    try:
        check_key(key, KEY_HEADER)
    except Invalid as error:
        return refused_form(kind, error, text)
    return _parse(kind, text, key, context, "")


def _parse(kind: Formed, text: bytes, key: str | None, context: Context, where: str) -> Parsed:
    try:
        body = read_form(kind, _read_members(text), context.now)
        made = publishable(body.head, check_form(kind, body), body.envelope, key, context)
        made.rated = kind.form.rated
        return made
    except Invalid as error:
        return refused_form(kind, in_own_names(kind.form, error), text, where)


def refused_form(kind: Formed, error: Invalid, text: bytes, where: str = "") -> Refused:
    """What a body that cannot be used is remembered by."""
    form = kind.form
    return refused(error, text, where, (form.user, form.type), form.fixed_type)


def check_form(kind: Formed, body: FormBody) -> Event:
    """The event that a body stands for, without members that the schema does not name. Raises `Invalid`."""
    own = kind_of(kind.name, body.envelope.type)  # of kinds that share a family the one that has the type
    return check_event(body.envelope, own, unknown_pass=False, decoded=body.payload)


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


def _read_members(text: bytes) -> dict[str, Any]:
    try:
        if NUL in text:
            refuse_nul(text)
        return decode_object(text)
    except Invalid as error:  # of a member by its own name, which `in_own_names` must not take for one of ours
        raise Invalid(f"payload.{error.path}" if error.path else "", error.message) from error


def read_form(kind: Formed, members: dict[str, Any], now: int) -> FormBody:
    """What a decoded body says. Raises `Invalid`, with paths by the envelope's names."""
    form = kind.form
    values, payload = _split_members(form, {name: value for name, value in members.items() if value is not None})
    if form.fixed_type:
        values["type"] = form.fixed_type
    head = read_as(EventHead, values, "")
    text = dump_object(payload, "payload")
    return FormBody(head, envelope_of(head, Raw(text), kind.name, now, kind), (payload, text))


def envelope_members(kind: Formed, members: dict[str, Raw]) -> dict[str, Any]:
    """The same as members of `POST /events`, which nobody has looked into. Raises `Invalid` for one that is missing."""
    head, payload = _split_members(kind.form, {name: raw for name, raw in members.items() if raw != NULL})
    fixed = {"type": kind.form.fixed_type} if kind.form.fixed_type else {}
    return {**head, **fixed, "payload": payload, "family": kind.name}


def _split_members(form: EventForm, members: dict[str, T]) -> tuple[dict[str, T], dict[str, T]]:
    """The envelope's members under their own names, and the payload: what is left of `members`."""
    head: dict[str, T] = {}
    for ours, theirs in form.names.items():
        value = members.pop(theirs, None)
        if value is not None:
            head[ours] = value
        elif ours in form.required:
            raise Invalid(theirs, "is missing")
    if form.user_in_payload:
        members[form.user] = head["userId"]
    return head, members


def in_own_names(form: EventForm, error: Invalid) -> Invalid:
    """The error's path in the body's own names: `payload.seq` is its `seq`."""
    path = error.path.removeprefix("payload").removeprefix(".")
    if path == error.path:
        path = form.names.get(path, path)
    error.path = path
    return error
