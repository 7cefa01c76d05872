"""From pieces of a file to batches that can be settled: what can be used becomes arrivals, the rest bad lines."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import BinaryIO

import msgspec

from ingest.families.declaration import EventKind
from ingest.files.apply.events import read_line
from ingest.files.identity import Occurrences, line_ids
from ingest.files.lines import BadLine, Piece, read_pieces
from ingest.parsing.events import shorten
from processing.domain.compose import encode_event
from processing.domain.envelope import Event, Invalid
from processing.domain.messages import Message

ID_MEMBER = b'"eventId"'


class LineArrival(msgspec.Struct, frozen=True, gc=False):
    """An event as it came from a file. Its message, which few need, is made when it is asked for."""

    event: Event
    import_run: int
    number: int

    @property
    def message(self) -> Message:
        event = self.event
        key = event.user_id.encode()  # as the door's producer would have it
        return Message(None, None, self.number, key, encode_event(event), self.import_run)

    @property
    def written_at(self) -> None:
        return None


@dataclass
class Batch:
    """`size` counts the bytes of the file that it takes."""

    arrivals: list[LineArrival] = field(default_factory=list)
    bad: list[BadLine] = field(default_factory=list)
    size: int = 0


@dataclass(frozen=True)
class Source:
    """What a file is called, of what kind its lines are (None: see each), and how large they may be, in bytes."""

    name: str
    kind: EventKind | None
    longest_line: int
    max_event_bytes: int


def read_batches(file: BinaryIO, source: Source, run: int) -> Iterator[Batch]:
    """The file's lines in their order, a bounded number at a time."""
    with closing(Occurrences()) as occurrences:
        for piece in read_pieces(file, source.longest_line):
            yield _read_piece(piece, source, run, occurrences)


def _read_piece(piece: Piece, source: Source, run: int, occurrences: Occurrences) -> Batch:
    batch = Batch(bad=piece.too_long, size=piece.size)
    nameless = [text for text in piece.texts if ID_MEMBER not in text]
    ids = iter(line_ids(source.name, nameless, occurrences))
    now = time.time_ns() // 1_000_000
    for number, size, text in zip(piece.numbers, piece.sizes, piece.texts, strict=True):
        own_id = None if ID_MEMBER in text else next(ids)
        try:
            event = read_line(text, own_id, source.kind, now, source.max_event_bytes)
            if not event.id:  # the member stands further inside
                (own_id,) = line_ids(source.name, [text], occurrences)
                event = read_line(text, own_id, source.kind, now, source.max_event_bytes)
        except Invalid as error:
            batch.bad.append(BadLine(number, size, shorten(str(error))))
        else:
            batch.arrivals.append(LineArrival(event, run, number))
    batch.bad.sort(key=lambda line: line.number)
    return batch
