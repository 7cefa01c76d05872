"""What a line of a file says: its members as `POST /events/batch` takes them, whatever its family."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import msgspec

from ingest.parsing.events import NULL, decode
from ingest.parsing.forms import EventForm, envelope_members, forms
from processing.domain.envelope import Invalid, check_text

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read_members(text: bytes, body: EventForm | None) -> tuple[dict[str, Any], EventForm | None]:
    """The members of the event that a line stands for, and its family's form; None for an event in its plain form.

    `body`: of what family it is; None: see for itself. Raises `Invalid`.
    """
    members, body = split_line(text, body)
    if body is not None:
        return envelope_members(body, members), body
    if members.get("eventId") == NULL:
        del members["eventId"]  # so the line is given one
    return members, None


def split_line(text: bytes, body: EventForm | None) -> tuple[dict[str, msgspec.Raw], EventForm | None]:
    """A line's own members, and its form; as `read_members`."""
    check_text(text)
    members: dict[str, msgspec.Raw] = decode(_members, text)
    body = body or recognise(members)
    if body is None and "idempotencyKey" in members:  # `POST /events/batch` would take it
        raise Invalid("idempotencyKey", "is not known in files: a line's id says what is the same")
    return members, body


def recognise(members: Container[str]) -> EventForm | None:
    """The family whose names for type and user are there; None for an event in its plain form. Raises `Invalid`."""
    for body in forms():
        if body.type in members and body.user in members:
            return body
    if "type" in members and "userId" in members:
        return None
    known = ", ".join(f"{body.type} and {body.user} ({body.family.name})" for body in forms())
    raise Invalid("", f"is no event of a known family: it needs {known}, or type and userId")


def form_of(family: str | None) -> EventForm | None:
    return next((body for body in forms() if body.family.name == family), None)
