"""The lines of a file as they are sent: members, user and id."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, BinaryIO

import msgspec

from ingest.families.declaration import EventKind
from ingest.files.identity import Occurrences, line_ids
from ingest.files.lines import BadLine, Piece, read_pieces
from ingest.files.recognise import read_members
from ingest.parsing.events import EventBody, decode, shorten
from ingest.parsing.forms import in_own_names
from processing.domain.envelope import Invalid

_text = msgspec.json.Decoder(str)


@dataclass(frozen=True, slots=True)
class Line:
    """A line as an event of `POST /events/batch`. `size` counts the bytes of the file that it takes.

    `kind` is the one whose form it is written in; None: the plain one.
    """

    number: int
    size: int
    user: str
    event: dict[str, Any]
    kind: EventKind | None = None

    def in_its_words(self, error: str) -> str:
        """What the server says of the event, with the line's own names for its members."""
        path, _, message = error.partition(": ")
        if self.kind is None or path.partition(".")[0] not in EventBody.__struct_fields__:
            return error
        return str(in_own_names(self.kind.form, Invalid(path, message)))


def read_lines(file: BinaryIO, source: str, kind: EventKind | None, longest: int) -> Iterator[Line | BadLine]:
    """The lines of a file, in their order, without the blank ones. `kind`: of what kind they are; None: see each."""
    with closing(Occurrences()) as occurrences:
        for piece in read_pieces(file, longest):
            yield from _read_piece(piece, source, kind, occurrences)


def _read_piece(
    piece: Piece, source: str, kind: EventKind | None, occurrences: Occurrences
) -> Iterator[Line | BadLine]:
    lines = [_read_line(*each, kind) for each in zip(piece.numbers, piece.sizes, piece.texts, strict=True)]
    nameless = {
        line.number: text
        for line, text in zip(lines, piece.texts, strict=True)
        if isinstance(line, Line) and "eventId" not in line.event
    }
    ids = dict(zip(nameless, line_ids(source, list(nameless.values()), occurrences), strict=True))
    for line in sorted([*lines, *piece.too_long], key=lambda line: line.number):
        if isinstance(line, Line) and line.number in ids:
            line.event["eventId"] = ids[line.number]
        yield line


def _read_line(number: int, size: int, text: bytes, kind: EventKind | None) -> Line | BadLine:
    try:
        event, found = read_members(text, kind)
        return Line(number, size, user_of(event), event, found)
    except Invalid as error:
        return BadLine(number, size, shorten(str(error)))


def user_of(event: dict[str, Any]) -> str:
    """Whose order the line keeps. Raises `Invalid`."""
    try:
        user: str = decode(_text, bytes(event["userId"]))
    except Invalid as error:
        raise Invalid("userId", error.message) from error
    return user
