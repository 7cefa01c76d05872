"""A line as an event, checked exactly as the door checks what `send_events` sends it."""

from __future__ import annotations

import msgspec

from ingest.families.declaration import EventKind
from ingest.files.apply.plain import read_plain
from ingest.files.recognise import split_line
from ingest.parsing.events import EventBody, check_size, decode, envelope_of
from ingest.parsing.forms import event_body, in_own_names
from processing.domain.envelope import Event, Invalid, encode_envelope
from processing.domain.validate import check_event

ROOM = 512  # bytes that an envelope may be longer than its line: member names, a made id, a time written out

_event = msgspec.json.Decoder(EventBody)


def read_line(text: bytes, own_id: str | None, kind: EventKind | None, now: int, max_bytes: int) -> Event:
    """The event of a line; `own_id` is its id if it names none; None: it stays empty.

    `kind`: of what kind it is; None: see for itself. `now` (Unix ms) is its time if it tells none. Raises `Invalid`.
    """
    event = read_plain(text, own_id, kind, now) if len(text) + ROOM <= max_bytes else None
    return event or read_carefully(text, own_id, kind, now, max_bytes)


def read_carefully(text: bytes, own_id: str | None, kind: EventKind | None, now: int, max_bytes: int) -> Event:
    """As `read_line`, step by step as the door does it."""
    members, kind = split_line(text, kind)
    try:
        made: EventBody = decode(_event, text) if kind is None else event_body(kind, members)
        envelope = envelope_of(made, now)
        envelope.id = envelope.id or own_id or ""
        event = check_event(envelope, unknown_pass=False)
        if len(text) + ROOM > max_bytes:
            check_size(encode_envelope(envelope), max_bytes)
        return event
    except Invalid as error:
        if kind is None:
            raise
        raise in_own_names(kind.form, error) from error
