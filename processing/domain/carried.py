"""What a message that could not be read says of its event: id, user and type, as far as they can be made out. Pure.

Nothing is checked here: operators find a poison by it, and nobody relies on it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from processing.domain.texts import storable

LOOKED_AT = 64 * 1024  # bytes of a message that is no JSON, or too large
MAX_CHARS = 255
BLANKS = re.compile(r"[ \t\r\n]*")
NUMBER = re.compile(r"-?\d+")

_scan = json.JSONDecoder(parse_float=str, parse_int=str, strict=False).raw_decode


class Names(NamedTuple):
    """What the three members are called in a topic's form."""

    id: str = "id"
    user_id: str = "userId"
    type: str = "type"


class Carried(NamedTuple):
    """Empty texts for what could not be made out."""

    id: str = ""
    user_id: str = ""
    type: str = ""


def read_carried(value: bytes | None, names: Names) -> Carried:
    if not value:
        return Carried()
    text = value[:LOOKED_AT].decode("utf-8", "replace").removeprefix("\ufeff")
    found = {name: member for name, member in _first_members(text) if name in names}
    return Carried(*(_text(found.get(name)) for name in names))


def _first_members(text: str) -> Iterator[tuple[str, Any]]:
    """The members of an object up to where it breaks off; of repeated ones the last counts."""
    at = _skip(text, 0)
    if not text.startswith("{", at):
        return
    try:
        while text[at : at + 1] in ("{", ","):
            name, at = _scan(text, _skip(text, at + 1))
            at = _skip(text, at)
            if not isinstance(name, str) or text[at : at + 1] != ":":
                return
            start = _skip(text, at + 1)
            member, at = _scan(text, start)
            if at == len(text) and NUMBER.match(text, start):  # it may have been cut
                return
            yield name, member
            at = _skip(text, at)
    except (ValueError, RecursionError):
        return


def _skip(text: str, at: int) -> int:
    blank = BLANKS.match(text, at)
    return blank.end() if blank else at


def _text(member: Any) -> str:
    """A parsed number is a text too, with its digits."""
    return storable(member)[:MAX_CHARS].strip() if isinstance(member, str) else ""
