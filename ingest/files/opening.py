"""A file of events, plain or compressed, as its name says."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ingest import zstd

DECOMPRESS: Mapping[str, Callable[[BinaryIO], Any]] = {
    ".gz": lambda packed: gzip.GzipFile(fileobj=packed),
    ".zst": zstd.ZstdFile,
}


@dataclass(frozen=True)
class EventFile:
    """`content` is what is read, decompressed; `packed` the file on disk, the same for a plain one."""

    content: BinaryIO
    packed: BinaryIO
    size: int  # bytes on disk

    def newly_done(self, size: int, shown: int) -> int:
        """Bytes on disk, of which `shown` are known to be done, once `size` more of the content are.

        Of a compressed file what was read counts: nobody knows where on disk a line ends.
        """
        return size if self.content is self.packed else self.packed.tell() - shown


@contextmanager
def open_events(path: Path) -> Iterator[EventFile]:
    """Raises `OSError`."""
    with path.open("rb") as packed:
        size = path.stat().st_size
        decompress = DECOMPRESS.get(path.suffix)
        if decompress is None:
            yield EventFile(packed, packed, size)
            return
        with decompress(packed) as content:
            yield EventFile(content, packed, size)


def source_name(path: Path) -> str:
    """What names a file in the ids of its lines: its base name, the same whether it is compressed or not."""
    return path.stem if path.suffix in DECOMPRESS else path.name
