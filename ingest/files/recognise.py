"""What a line of a file says: its members as `POST /events/batch` takes them, whatever its family."""

from __future__ import annotations

from collections.abc import Container
from functools import cache
from typing import Any

import msgspec

from ingest.families.declaration import EventKind, event_kinds
from ingest.parsing.events import decode
from ingest.parsing.forms import envelope_members
from processing.domain.decode import NUL, NULL, refuse_nul
from processing.domain.envelope import Invalid

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read_members(text: bytes, kind: EventKind | None) -> tuple[dict[str, Any], EventKind | None]:
    """The members of the event that a line stands for, and its kind; None for an event in its plain form.

    `kind`: of what kind it is; None: see for itself. Raises `Invalid`.
    """
    if NUL in text:
        refuse_nul(text)
    members: dict[str, msgspec.Raw] = decode(_members, text)
    kind = kind_of_line(members, kind)
    if kind is not None:
        return envelope_members(kind, members), kind
    if members.get("eventId") == NULL:
        del members["eventId"]  # so the line is given one
    return members, None


def kind_of_line(members: Container[str], kind: EventKind | None) -> EventKind | None:
    """The kind of a line that has these members; as `read_members`."""
    kind = kind or recognise(members)
    if kind is None and "idempotencyKey" in members:  # `POST /events/batch` would take it
        raise Invalid("idempotencyKey", "is not known in files: a line's id says what is the same")
    return kind


def recognise(members: Container[str]) -> EventKind | None:
    """The kind whose names for type and user are there; None for an event in its plain form. Raises `Invalid`."""
    for named, user, kind in recognisable():
        if named in members and user in members:
            return kind
    if "type" in members and "userId" in members:
        return None
    known = ", ".join(f"{named} and {user} ({kind.name})" for named, user, kind in recognisable())
    raise Invalid("", f"is no event of a known family: it needs {known}, or type and userId")


@cache
def recognisable() -> tuple[tuple[str, str, EventKind], ...]:
    """The kinds that a line tells by its members, with the names of type and user in it; those of a fixed type are told
    by `--family` alone."""
    return tuple((kind.form.type, kind.form.user, kind) for kind in event_kinds() if not kind.form.fixed_type)


def kind_named(label: str | None) -> EventKind | None:
    return next((kind for kind in event_kinds() if kind.label == label), None)
