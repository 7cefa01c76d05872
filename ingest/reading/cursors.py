"""Cursors: where in a list a page ended, as a text that says nothing to the client."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from processing.domain.envelope import EPOCH, MAX_SEQ, Invalid

MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Place:
    """A row's place in a list's order; what comes after it is older."""

    time: datetime
    id: int | str


def write_cursor(place: Place, name: str) -> str:
    """`name` is the list's."""
    text = msgspec.json.encode([name, (place.time - EPOCH) // MICROSECOND, place.id])
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def parse_cursor(cursor: str, name: str, *, whole_id: bool) -> Place:
    """Raises `Invalid`, for a cursor of another list too."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        owner, microseconds, id = msgspec.json.decode(text, type=tuple[str, int, int | str])
        place = Place(EPOCH + microseconds * MICROSECOND, id)
    except (binascii.Error, UnicodeError, msgspec.MsgspecError, ValueError, OverflowError) as error:
        raise Invalid("cursor", "is none of ours: take it from `next` of the page before") from error
    if owner != name:
        raise Invalid("cursor", "belongs to another list: take it from `next` of this list's page before")
    if not _is_usable(id, whole_id):
        raise Invalid("cursor", "is none of ours: take it from `next` of the page before")
    return place


def _is_usable(id: Any, whole_id: bool) -> bool:
    if isinstance(id, str):
        return not whole_id and "\0" not in id
    return whole_id and abs(id) <= MAX_SEQ
