"""Content codings of request bodies: which are taken, and how one is decoded within bounds."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from ingest.zstd import DecompressionParameter, ZstdDecompressor, ZstdError

PIECE_BYTES = 64 * 2**10  # a decoder copies what stands behind a part's end
# A part of few bytes costs as much as one of many. `bgzip` makes the most parts of what we know: 160 of 10 MiB.
PARTS_MAX = 1_000
GZIP_ONLY = 16 + zlib.MAX_WBITS  # no zlib stream, no raw one
WINDOW_LOG_MAX = 23  # 8 MiB, as RFC 9659 has it: a decoder holds so much beside what it has decoded


class TooLarge(Exception):
    """More was decoded than may be."""


class Broken(Exception):
    """The bytes are not what the coding says, or not all of it."""


class Decoder(Protocol):
    """Of one part: a gzip member or a zstd frame."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


_gzip: Callable[[], Decoder] = partial(zlib.decompressobj, GZIP_ONLY)
_zstd: Callable[[], Decoder] = partial(
    ZstdDecompressor, options={DecompressionParameter.window_log_max: WINDOW_LOG_MAX}
)
CODINGS: Mapping[str, Callable[[], Decoder]] = {"gzip": _gzip, "x-gzip": _gzip, "zstd": _zstd}
TAKEN = ("gzip", "zstd")


def decode_body(coding: str, body: bytes, max_bytes: int) -> bytes:
    """All parts of a body, one after another; `coding` is one of CODINGS. Raises `TooLarge` and `Broken`."""
    try:
        return _decode(CODINGS[coding], body, max_bytes)
    except (zlib.error, ZstdError) as error:
        raise Broken(str(error)) from error


def _decode(new_decoder: Callable[[], Decoder], body: bytes, max_bytes: int) -> bytes:
    decoded: list[bytes] = []
    room = max_bytes
    decoder = new_decoder()
    parts = 1
    for start in range(0, len(body), PIECE_BYTES):
        piece = body[start : start + PIECE_BYTES]
        while piece:
            if decoder.eof:
                decoder = new_decoder()
                parts += 1
            if parts > PARTS_MAX:
                raise Broken(f"it has more than {PARTS_MAX} parts")
            decoded.append(decoder.decompress(piece, room + 1))
            room -= len(decoded[-1])
            if room < 0:
                raise TooLarge
            piece = decoder.unused_data
    if not decoder.eof:
        raise Broken("it ends too soon")
    return b"".join(decoded)
