"""What becomes of a CloudEvent's attributes and data in an envelope."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from hashlib import sha256
from typing import Any

import msgspec
from django.conf import settings
from msgspec import Raw

from processing.domain.cloudevents import CloudEvent
from processing.domain.decode import NUL, Decoded, dump_object, read_as, read_payload, refuse_nul
from processing.domain.envelope import MAX_SEQ, Envelope, EventId, EventType, Invalid, UserId
from processing.domain.identity import content_digest, uuid_shaped
from processing.domain.timestamps import parse_text
from processing.domain.validate import read_seq

VERSION = "1.0"
REQUIRED = ("specversion", "id", "source", "type")
SEQ_NAMES = ("sequence", "seq")
MAX_ID_LENGTH = 255


class _Named(msgspec.Struct):
    id: EventId
    userId: UserId  # noqa: N815 - the envelope's name
    type: EventType


def to_envelope(event: CloudEvent, now: int) -> tuple[Envelope, Decoded]:
    """The envelope, and its payload as it was read; `now` (Unix ms) is the time where none is told.

    The data's bytes stay as they are, behind a seq that an attribute tells. Raises `Invalid`, to be told
    `in_own_names`.
    """
    attributes = event.attributes
    _check(attributes)
    named = {
        "id": event_id(attributes["source"], attributes["id"]),
        "userId": _user(attributes),
        "type": attributes["type"],
    }
    known = read_as(_Named, named, "")
    stamp = parse_text(attributes["time"], "time") if "time" in attributes else now
    payload, decoded = _payload(event)
    return Envelope(known.id, known.userId, known.type, Raw(payload), stamp), decoded


def _check(attributes: Mapping[str, str]) -> None:
    for name in REQUIRED:
        if name not in attributes:
            raise Invalid(name, "is missing")
    if attributes["specversion"] != VERSION:
        raise Invalid("specversion", f"must be {VERSION}")
    for name, value in attributes.items():
        if "\0" in value:
            raise Invalid(name, "has a NUL character")


def event_id(source: str, id: str) -> str:
    """No two pairs have the same: a source has no blank. Raises `Invalid`."""
    if any(letter.isspace() for letter in source):
        raise Invalid("source", "has a blank, which no URI has: write it as %20")
    text = f"{source} {id}"
    return text if len(text) <= MAX_ID_LENGTH else uuid_shaped(sha256(text.encode()).digest())


def _user_name(attributes: Container[str]) -> str:
    """The attribute that tells the user; of several the first that is there."""
    names = settings.CLOUDEVENTS_USER
    return next((name for name in names if name in attributes), names[0])


def _user(attributes: Mapping[str, str]) -> str:
    user = attributes.get(_user_name(attributes))
    if user is None:
        names = " or ".join(settings.CLOUDEVENTS_USER)
        raise Invalid("userId", f"is missing: send the user as {names} (CLOUDEVENTS_USER)")
    return user


def _payload(event: CloudEvent) -> tuple[bytes, Decoded]:
    """As JSON text, and as it was read."""
    if NUL in event.data:
        refuse_nul(event.data, "payload")
    try:
        members, text = read_payload(event.data)
    except Invalid as error:
        if error.path == "payload":
            error.message += "; the data of an event is its payload: send a JSON object"
        raise
    seq = _seq(event.attributes)
    if seq is None:
        return event.data, (members, text)
    if "seq" in members:
        if (own := read_seq(members)) != seq:
            raise Invalid("payload.seq", f"is {own}, but the event's sequence is {seq}: send one of them")
        return event.data, (members, text)
    members = {"seq": seq, **members}
    rest = event.data[1:].lstrip()
    return b'{"seq":%d%b%b' % (seq, b"" if rest == b"}" else b",", rest), (members, dump_object(members, "payload"))


def _seq(attributes: Mapping[str, str]) -> int | None:
    """The event's place among its user's. Raises `Invalid`."""
    told = {name: _read_seq(name, attributes[name]) for name in SEQ_NAMES if name in attributes}
    if len(set(told.values())) > 1:
        raise Invalid("seq", f"is {told['seq']}, but sequence is {told['sequence']}: send one of them")
    return next(iter(told.values()), None)


def _read_seq(name: str, text: str) -> int:
    seq = int(text) if re.fullmatch("[0-9]{1,100}", text) else 0
    if not 1 <= seq <= MAX_SEQ:
        raise Invalid(
            name, f"must be an integer from 1 to {MAX_SEQ}, the event's place among its user's; else leave it out"
        )
    return seq


def in_own_names(event: CloudEvent, error: Invalid) -> Invalid:
    """The error's path by the names of the CloudEvent: `userId` is the attribute that tells the user."""
    head, dot, rest = error.path.partition(".")
    names = {"userId": _user_name(event.attributes), "timestamp": "time"}
    if head == "payload":
        error.path = event.data_member + dot + rest
    elif head:
        error.path = event.prefix + names.get(head, head) + dot + rest
    return error


def readable(event: CloudEvent) -> tuple[str, str, str]:
    """Id, user and type of an event that is refused; empty where they could not be an event's."""
    attributes = event.attributes
    try:
        id = event_id(attributes["source"], attributes["id"])
    except (Invalid, KeyError):
        id = ""
    user = _usable(attributes.get(_user_name(attributes), ""), 255)
    return _usable(id, MAX_ID_LENGTH), user, _usable(attributes.get("type", ""), 100)


def _usable(text: str, longest: int) -> str:
    return text if len(text) <= longest and not text.isspace() and "\0" not in text else ""


def content_of(id: str, user_id: str, event_type: str, members: Mapping[str, Any]) -> str:
    """A digest of what an event's id stands for. Its time is no part of that: SDKs make a new one for each attempt."""
    return content_digest([id, user_id, event_type, members])
