"""What identifies a line without an id: its file's name, its content, and which of the equal lines it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from hashlib import sha256

import orjson

from processing.domain.identity import uuid_shaped

IN_MEMORY = 400_000  # lines, of about 100 bytes each
CACHE_KIB = 16 * 1024


class Occurrences:
    """Which of the equal lines a line is. On disk once there are many: a big file must not fill the memory."""

    def __init__(self) -> None:
        self._times: dict[int, int] = {}  # by line, until they are on disk
        self._disk: sqlite3.Connection | None = None

    def count(self, digests: Sequence[bytes]) -> list[int]:
        """For each line, 1 for the first with this digest. Of a digest 64 bits are looked at."""
        keys = [int.from_bytes(digest[:8], "big", signed=True) for digest in digests]
        times = self._times if self._disk is None else _load(self._disk, keys)
        counted = []
        for key in keys:
            times[key] = occurrence = times.get(key, 0) + 1
            counted.append(occurrence)
        if self._disk is None and len(times) > IN_MEMORY:
            self._disk, self._times = _new_disk(), {}
        if self._disk is not None:
            _store(self._disk, times)
        return counted

    def close(self) -> None:
        if self._disk is not None:
            self._disk.close()


# One statement each, of one step: a step lets other threads run, and to get the turn back takes long.


def _new_disk() -> sqlite3.Connection:
    disk = sqlite3.connect("", isolation_level=None)  # temporary, gone when it is closed
    disk.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    disk.execute("CREATE TABLE seen (line INTEGER PRIMARY KEY, times INTEGER)")
    disk.execute("BEGIN")
    return disk


def _load(disk: sqlite3.Connection, keys: Sequence[int]) -> dict[int, int]:
    (known,) = disk.execute(
        "SELECT json_group_array(json_array(line, times)) FROM seen WHERE line IN (SELECT value FROM json_each(?))",
        (orjson.dumps(keys).decode(),),
    ).fetchone()
    return dict(orjson.loads(known))


def _store(disk: sqlite3.Connection, times: dict[int, int]) -> None:
    disk.execute(
        "INSERT OR REPLACE INTO seen SELECT key, value FROM json_each(?)",
        (orjson.dumps(times, option=orjson.OPT_NON_STR_KEYS).decode(),),
    )


def line_ids(source: str, texts: Sequence[bytes], occurrences: Occurrences) -> list[str]:
    """The ids of lines without one: the same whenever the same file is read again, whole or in part."""
    digests = [sha256(text).digest() for text in texts]
    named = f"{source}|".encode("utf-8", "surrogateescape")  # a file's name need not be UTF-8
    return [
        uuid_shaped(sha256(b"%b%b|%d" % (named, digest.hex().encode(), occurrence)).digest())
        for digest, occurrence in zip(digests, occurrences.count(digests), strict=True)
    ]
