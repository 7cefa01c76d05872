"""Bodies in a content coding: decoded whole, within bounds, or not at all."""

from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Callable

import pytest
from backports import zstd

from ingest.http.codings import PARTS_MAX, PIECE_BYTES, Broken, TooLarge, decode_body

TEXT = b'{"userId": "u", "type": "t"}'
LONG = random.Random(1).randbytes(3 * PIECE_BYTES)  # compressed it is no shorter, so it comes in several pieces
SKIPPABLE = (0x184D2A50).to_bytes(4, "little") + (4).to_bytes(4, "little") + b"meta"

compressing = pytest.mark.parametrize(("coding", "compress"), [("gzip", gzip.compress), ("zstd", zstd.compress)])
Compress = Callable[[bytes], bytes]


@compressing
@pytest.mark.parametrize("text", [b"", TEXT, LONG])
def test_a_body_is_decoded(coding: str, compress: Compress, text: bytes) -> None:
    assert decode_body(coding, compress(text), len(text)) == text


def test_the_old_name_of_gzip_is_understood() -> None:
    assert decode_body("x-gzip", gzip.compress(TEXT), 100) == TEXT


@compressing
def test_parts_follow_one_another(coding: str, compress: Compress) -> None:
    body = b"".join(compress(part) for part in (TEXT[:5], b"", TEXT[5:]))
    assert decode_body(coding, body, len(TEXT)) == TEXT


def test_what_a_zstd_stream_says_to_skip_is_skipped() -> None:
    assert decode_body("zstd", SKIPPABLE + zstd.compress(TEXT) + SKIPPABLE, len(TEXT)) == TEXT


@compressing
@pytest.mark.parametrize("parts", [1, 2])
def test_no_more_is_decoded_than_may_be(coding: str, compress: Compress, parts: int) -> None:
    with pytest.raises(TooLarge):
        decode_body(coding, compress(TEXT) * parts, len(TEXT) * parts - 1)


@compressing
def test_a_bomb_is_not_decoded(coding: str, compress: Compress) -> None:
    bomb = compress(bytes(64 * 2**20))
    with pytest.raises(TooLarge):
        decode_body(coding, bomb, 1_000)


@compressing
@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: b"",
        lambda body: body[:-1],
        lambda body: body[:-1] + bytes([body[-1] ^ 1]),  # its check sum
        lambda body: body + b"\0",
        lambda body: body + b"{}",
        lambda body: body + body[:10],
        lambda body: TEXT,
        lambda body: zlib.compress(TEXT),
        lambda body: body * (PARTS_MAX + 1),
    ],
)
def test_a_broken_body_is_named(coding: str, compress: Compress, spoil: Callable[[bytes], bytes]) -> None:
    body = compress_with_check(compress, TEXT)
    with pytest.raises(Broken) as caught:
        decode_body(coding, spoil(body), 10**6)
    assert str(caught.value)


@compressing
def test_as_many_parts_as_may_be_are_decoded(coding: str, compress: Compress) -> None:
    assert decode_body(coding, compress(TEXT) * PARTS_MAX, 10**6) == TEXT * PARTS_MAX


def test_a_window_that_takes_much_memory_is_refused() -> None:
    wide = zstd.compress(bytes(2**20) * 100, options={zstd.CompressionParameter.window_log: 27})
    with pytest.raises(Broken, match="too much memory"):
        decode_body("zstd", wide, 10**9)


def compress_with_check(compress: Compress, text: bytes) -> bytes:
    """gzip has a check sum always, zstd when it is asked for one."""
    if compress is zstd.compress:
        return zstd.compress(text, options={zstd.CompressionParameter.checksum_flag: 1})
    return compress(text)
