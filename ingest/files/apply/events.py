"""A line as an event, checked exactly as the door checks what `send_events` sends it."""

from __future__ import annotations

from typing import Any

import msgspec

from ingest.families.declaration import EventKind
from ingest.files.apply.plain import read_plain
from ingest.files.recognise import kind_of_line
from ingest.parsing.events import EventBody, check_size, decode, envelope_of
from ingest.parsing.forms import check_form, in_own_names, read_form
from processing.domain.decode import NUL, decode_object, exact_decoder, refuse_nul
from processing.domain.envelope import Envelope, Event, Invalid, encode_envelope
from processing.domain.families import find_kind
from processing.domain.validate import check_event

ROOM = 512  # bytes that an envelope may be longer than its line: member names, a made id, a time written out

_event = exact_decoder(EventBody)


def read_line(text: bytes, own_id: str | None, kind: EventKind | None, now: int, max_bytes: int) -> Event:
    """The event of a line; `own_id` is its id if it names none; None: it stays empty.

    `kind`: of what kind it is; None: see for itself. `now` (Unix ms) is its time if it tells none. Raises `Invalid`.
    """
    event = read_plain(text, own_id, kind, now) if len(text) + ROOM <= max_bytes else None
    return event or read_carefully(text, own_id, kind, now, max_bytes)


def read_carefully(text: bytes, own_id: str | None, kind: EventKind | None, now: int, max_bytes: int) -> Event:
    """As `read_line`, step by step as the door does it."""
    if NUL in text:
        refuse_nul(text)
    members = decode_object(text)
    kind = kind_of_line(members, kind)
    try:
        envelope, event = _read_plain_form(text, now) if kind is None else _read_own_form(kind, members, now)
    except Invalid as error:
        raise error if kind is None else in_own_names(kind.form, error) from error
    envelope.id = envelope.id or own_id or ""
    if len(text) + ROOM > max_bytes:
        check_size(encode_envelope(envelope), max_bytes)
    return msgspec.structs.replace(event, id=envelope.id)


def _read_own_form(kind: EventKind, members: dict[str, Any], now: int) -> tuple[Envelope, Event]:
    body = read_form(kind, members, now)
    return body.envelope, check_form(kind, body)


def _read_plain_form(text: bytes, now: int) -> tuple[Envelope, Event]:
    body: EventBody = decode(_event, text)
    kind = find_kind(body.family, body.type)
    envelope = envelope_of(body, body.payload, body.family, now, kind)
    return envelope, check_event(envelope, kind, unknown_pass=False)
