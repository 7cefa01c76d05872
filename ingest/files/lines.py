"""The lines of a file, in pieces: bounded in memory, whatever the file holds."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from gzip import BadGzipFile
from typing import BinaryIO

from ingest.zstd import ZstdError

BOM = b"\xef\xbb\xbf"
PIECE_LINES = 6_000
PIECE_BYTES = 4 * 2**20


class BrokenFile(OSError):
    """A compressed file that cannot be read to its end; the text says after which line."""


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that cannot be used. `size` counts the bytes of the file that it takes."""

    number: int
    size: int
    reason: str


@dataclass(slots=True)
class Piece:
    """Lines that follow each other, without the blank ones: numbers, sizes and texts, side by side."""

    numbers: list[int]
    sizes: list[int]
    texts: list[bytes]
    too_long: list[BadLine]
    size: int = 0  # bytes of the file, blank lines and all


def read_pieces(file: BinaryIO, longest: int) -> Iterator[Piece]:
    """The lines of a file in their order. One of more than `longest` bytes is read past, never held.

    Raises `BrokenFile`.
    """
    piece = Piece([], [], [], [])
    for number, size, text in _raw_lines(file, longest):
        piece.size += size
        if text is None:
            piece.too_long.append(BadLine(number, size, f"is longer than {longest} bytes"))
        elif text := text.strip():
            piece.numbers.append(number)
            piece.sizes.append(size)
            piece.texts.append(text)
        if len(piece.texts) >= PIECE_LINES or piece.size >= PIECE_BYTES:
            yield piece
            piece = Piece([], [], [], [])
    if piece.size:
        yield piece


def _raw_lines(file: BinaryIO, longest: int) -> Iterator[tuple[int, int, bytes | None]]:
    """Number, size and text of each line; None for one that is too long to be held in memory."""
    number = 0
    try:
        while text := file.readline(longest + 1):
            number += 1
            size = len(text)
            if size <= longest or text.endswith(b"\n"):
                yield number, size, text.removeprefix(BOM) if number == 1 else text
                continue
            while text and not text.endswith(b"\n"):
                text = file.readline(longest)
                size += len(text)
            yield number, size, None
    except (EOFError, BadGzipFile, zlib.error, ZstdError) as error:
        raise BrokenFile(f"the file is broken, it cannot be decompressed after line {number}: {error}") from error
