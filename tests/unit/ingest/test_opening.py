"""Files, plain or compressed: what is read of them, how far they are, and what one that is broken says."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd

from ingest.files.lines import PIECE_LINES, BrokenFile, read_pieces
from ingest.files.opening import open_events, source_name

COMPRESS: dict[str, Callable[[bytes], bytes]] = {"": bytes, ".gz": gzip.compress, ".zst": zstd.compress}
LINES = [random.Random(number).randbytes(30).hex().encode() for number in range(3 * PIECE_LINES)]
CONTENT = b"\n".join(LINES)

compressed = pytest.mark.parametrize("suffix", [".gz", ".zst"])


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, bytes], Path]:
    def write(suffix: str, content: bytes) -> Path:
        path = tmp_path / f"lines.jsonl{suffix}"
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize("suffix", COMPRESS)
def test_the_lines_and_the_source_are_the_same_however_a_file_is_compressed(
    write: Callable[[str, bytes], Path], suffix: str
) -> None:
    path = write(suffix, COMPRESS[suffix](CONTENT))
    with open_events(path) as file:
        read = [text for piece in read_pieces(file.content, 100) for text in piece.texts]
    assert (source_name(path), read) == ("lines.jsonl", LINES)


@pytest.mark.parametrize("suffix", COMPRESS)
def test_what_is_done_is_counted_in_bytes_on_disk(write: Callable[[str, bytes], Path], suffix: str) -> None:
    path = write(suffix, COMPRESS[suffix](CONTENT))
    with open_events(path) as file:
        shown = [0]
        for piece in read_pieces(file.content, 100):
            shown.append(shown[-1] + file.newly_done(piece.size, shown[-1]))
    assert sorted(shown) == shown
    assert 0 < shown[1] < shown[-1] == file.size == path.stat().st_size


@compressed
def test_a_file_may_consist_of_several(write: Callable[[str, bytes], Path], suffix: str) -> None:
    compress = COMPRESS[suffix]
    with open_events(write(suffix, compress(CONTENT[:100]) + compress(CONTENT[100:]))) as file:
        assert file.content.read() == CONTENT


@compressed
@pytest.mark.parametrize(
    "spoil", [lambda packed: packed[:-100], lambda packed: packed + b"no file", lambda packed: CONTENT]
)
def test_a_broken_file_is_told_and_no_half_line_is_read(
    write: Callable[[str, bytes], Path], suffix: str, spoil: Callable[[bytes], bytes]
) -> None:
    read: list[bytes] = []
    with (
        open_events(write(suffix, spoil(COMPRESS[suffix](CONTENT)))) as file,
        pytest.raises(BrokenFile, match=r"is broken, it cannot be decompressed after line \d+: ."),
    ):
        read.extend(text for piece in read_pieces(file.content, 100) for text in piece.texts)
    assert read == LINES[: len(read)]
