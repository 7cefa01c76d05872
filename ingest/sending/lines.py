"""A file of events, one a line, of any family: what each line is, and the id of one that has none."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, BinaryIO

import msgspec

from ingest.wire.bodies import Body, bodies, envelope_members
from ingest.wire.events import decode, shorten
from ingest.wire.identity import uuid_shaped
from processing.envelope import Invalid, check_text

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str)


@dataclass(frozen=True, slots=True)
class Line:
    """A line as an event of `POST /events/batch`. `size` counts the bytes of the file that it takes."""

    number: int
    size: int
    user: str
    event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that cannot be used."""

    number: int
    size: int
    reason: str


class Occurrences:
    """Which of the equal lines a line is. On disk once it is large: a big file must not fill the memory."""

    def __init__(self) -> None:
        self._seen = sqlite3.connect("", isolation_level=None)  # temporary, gone when it is closed
        self._seen.execute("CREATE TABLE seen (digest BLOB PRIMARY KEY, times INTEGER) WITHOUT ROWID")
        self._seen.execute("BEGIN")

    def count(self, digest: bytes) -> int:
        """1 for the first."""
        upsert = "INSERT INTO seen VALUES (?, 1) ON CONFLICT DO UPDATE SET times = times + 1 RETURNING times"
        (times,) = self._seen.execute(upsert, (digest,)).fetchone()
        return int(times)

    def close(self) -> None:
        self._seen.close()


def read_lines(file: BinaryIO, source: str, body: Body | None, longest: int) -> Iterator[Line | BadLine]:
    """The lines of a file, in their order, without the blank ones. `body`: of what family they are; None: see each."""
    with closing(Occurrences()) as occurrences:
        for number, size, text in _raw_lines(file, longest):
            if text is None:
                yield BadLine(number, size, f"is longer than {longest} bytes")
            elif text := text.strip():
                yield _read_line(number, size, text, source, body, occurrences)


def _raw_lines(file: BinaryIO, longest: int) -> Iterator[tuple[int, int, bytes | None]]:
    """Number, size and text of each line; None for one that is too long to be held in memory."""
    number = 0
    while text := file.readline(longest + 1):
        number += 1
        size = len(text)
        if size <= longest or text.endswith(b"\n"):
            yield number, size, text
            continue
        while text and not text.endswith(b"\n"):
            text = file.readline(longest)
            size += len(text)
        yield number, size, None


def _read_line(
    number: int, size: int, text: bytes, source: str, body: Body | None, occurrences: Occurrences
) -> Line | BadLine:
    try:
        event = read_event(text, body)
        user = user_of(event)
    except Invalid as error:
        return BadLine(number, size, shorten(str(error)))
    if "eventId" not in event:
        digest = sha256(text).digest()
        event["eventId"] = line_id(source, digest, occurrences.count(digest))
    return Line(number, size, user, event)


def read_event(text: bytes, body: Body | None) -> dict[str, Any]:
    """The members of a line as `POST /events/batch` takes them. Raises `Invalid`."""
    check_text(text)
    members: dict[str, msgspec.Raw] = decode(_members, text)
    body = body or _recognise(members)
    if body is None:
        return {name: raw for name, raw in members.items() if bytes(raw) != b"null"}
    return envelope_members(body, members)


def _recognise(members: dict[str, Any]) -> Body | None:
    """The family whose names for type and user are there; None for an event in its plain form."""
    for body in bodies():
        if body.type in members and body.user in members:
            return body
    if "type" in members and "userId" in members:
        return None
    known = ", ".join(f"{body.type} and {body.user} ({body.family.name})" for body in bodies())
    raise Invalid("", f"is no event of a known family: it needs {known}, or type and userId")


def user_of(event: dict[str, Any]) -> str:
    """Whose order the line keeps. Raises `Invalid`."""
    try:
        user: str = decode(_text, bytes(event["userId"]))
    except Invalid as error:
        raise Invalid("userId", error.message) from error
    return user


def line_id(source: str, digest: bytes, occurrence: int) -> str:
    """The id of a line without one: the same whenever the same file is read again, whole or in part."""
    return uuid_shaped(sha256(f"{source}|{digest.hex()}|{occurrence}".encode()).digest())
