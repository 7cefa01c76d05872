"""From a payload to its event and its message, checked as every other: for `emit`, and for tests of handlers."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from processing.domain.decode import dump_json
from processing.domain.envelope import Envelope, Event, Invalid, encode_envelope
from processing.domain.families import Family, find_kind, kinds
from processing.domain.fields import check_fields
from processing.domain.messages import Message, Poison, read_message


def compose(payload: object, *, id: str, user: str, timestamp: int, event_type: str = "", **members: Any) -> Event:
    """`payload` is an instance of a declared Struct or model, or a dict with the `event_type` that owns it; `members`
    are the pipeline's own (`seq`, `fail`). Raises `Invalid` for what the door would refuse, `TypeError` for what nobody
    declared.
    """
    kind, event_type = _kind_of(payload, event_type)
    own = {name: value for name, value in _members(payload).items() if value is not None}
    text = msgspec.Raw(dump_json({**own, **members}))
    value = encode_envelope(Envelope(id, user, event_type, text, timestamp, family=kind.name))
    read = read_message(Message(None, None, 0, user.encode(), value))
    if isinstance(read, Poison):
        raise Invalid("", read.error)
    check_fields(kind.schema, read.event.members)
    return read.event


def encode_event(event: Event) -> bytes:
    """Its value on the topic of all events."""
    payload, family = msgspec.Raw(event.payload_json), event.family or None
    return encode_envelope(Envelope(event.id, event.user_id, event.type, payload, event.timestamp, family))


def kind_of_schema(schema: object) -> Family:
    """The kind that declares this schema. Raises `TypeError`."""
    found = next((kind for kind in kinds() if kind.schema is schema), None)
    if found is None:
        name = getattr(schema, "__name__", repr(schema))
        raise TypeError(f"{name} is no declared event type: put @event_type(…) above it, or name its type")
    return found


def _kind_of(payload: object, event_type: str) -> tuple[Family, str]:
    if isinstance(payload, Mapping):
        owner = find_kind(None, event_type)
        if owner is None:
            raise TypeError(f"no event type {event_type!r} is declared: name the type of this payload")
        return owner, event_type
    kind = kind_of_schema(type(payload))
    if not event_type and len(kind.types) != 1:
        raise TypeError(f"events of {kind.name!r} are of several types: name the type of this one")
    return kind, event_type or next(iter(kind.types))


def _members(payload: object) -> Mapping[str, Any]:
    if isinstance(payload, Mapping):
        return payload
    if model_dump := getattr(payload, "model_dump", None):  # pydantic's
        payload = model_dump(by_alias=True)
    members: dict[str, Any] = msgspec.to_builtins(payload, builtin_types=(Decimal,))
    return members
