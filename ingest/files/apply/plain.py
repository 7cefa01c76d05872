"""The quick way to read a line, for those that leave no question open: in a family's own form, all members in order.

It accepts only what the door accepts too, and makes the same event of it; of anything else it says nothing.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ingest.families.declaration import EventKind
from ingest.files.recognise import recognise
from processing.domain.decode import NUL, dump_json, exact_decoder
from processing.domain.envelope import Event
from processing.domain.fields import check_fields, fields_of
from processing.domain.timestamps import parse_time
from processing.domain.validate import read_fails, read_seq

NULL = b"null"

_decode = exact_decoder(dict[str, Any]).decode


class Form:
    """A kind's form, as far as reading a plain line of it needs it."""

    def __init__(self, kind: EventKind) -> None:
        form = kind.form
        self.kind = kind
        self.user, self.type = form.user, form.type
        self.event_id, self.timestamp = form.event_id, form.timestamp
        self.types = kind.types
        self.schema = kind.schema
        self.members = fields_of(self.schema)
        self.is_flat = not any(self.members.values())
        self.is_usable = not (form.fixed_type or form.user_in_payload) and issubclass(kind.schema, msgspec.Struct)

    def read(self, members: dict[str, Any], own_id: str | None, now: int) -> Event | None:
        """Takes out of `members` what is no payload. Raises something or returns None where a closer look is needed."""
        take = members.pop
        user, kind = take(self.user), take(self.type)
        id, stamp = own_id, now
        if self.event_id != "none":
            id = take("eventId", own_id) if self.event_id == "optional" else take("eventId")
        if self.timestamp != "none":
            stamp = take("timestamp", now) if self.timestamp == "optional" else take("timestamp")
        if not (type(user) is type(kind) is str and 0 < len(user) <= 255 and 0 < len(kind) <= 100):
            return None
        if user.isspace() or kind.isspace():
            return None
        if id is not own_id and not (type(id) is str and 0 < len(id) <= 255):
            return None
        if (self.types and kind not in self.types) or not members.keys() <= self.members.keys():
            return None
        if not self.is_flat:
            check_fields(self.schema, members)
        if stamp is not now:
            stamp = parse_time(stamp, "timestamp", self.kind.timestamp_unit)
        fails, seq = read_fails(members), read_seq(members)
        payload: Any = msgspec.convert(members, self.schema)
        return Event(id or "", user, kind, self.kind.name, seq, fails, stamp, dump_json(members), payload, members)


def read_plain(text: bytes, own_id: str | None, kind: EventKind | None, now: int) -> Event | None:
    """As `events.read_line`; None if the line has to be read with care."""
    if NUL in text:
        return None
    try:
        members = _decode(text)
        kind = kind or recognise(members)
        if kind is None or not (form := form_of(kind)).is_usable:
            return None
        if NULL in text:
            members = {name: value for name, value in members.items() if value is not None}
        return form.read(members, own_id, now)
    except Exception:  # noqa: BLE001 - whatever it is, also of a check of the project's own: the closer look tells
        return None


_forms: dict[str, Form] = {}


def form_of(kind: EventKind) -> Form:
    form = _forms.get(kind.label)
    if form is None or form.kind is not kind:
        form = _forms[kind.label] = Form(kind)
    return form
