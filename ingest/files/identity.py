"""What identifies a line without an id: its file's name, its content, and which of the equal lines it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from hashlib import sha256

import orjson

from ingest.wire.identity import uuid_shaped

CACHE_KIB = 32 * 1024


class Occurrences:
    """Which of the equal lines a line is. On disk once it is large: a big file must not fill the memory."""

    def __init__(self) -> None:
        self._seen = sqlite3.connect("", isolation_level=None)  # temporary, gone when it is closed
        self._seen.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        self._seen.execute("CREATE TABLE seen (line INTEGER PRIMARY KEY, times INTEGER)")
        self._seen.execute("BEGIN")

    def count(self, digests: Sequence[bytes]) -> list[int]:
        """For each line, 1 for the first with this digest. Of a digest 64 bits are looked at.

        Two statements for all, each one step: a step lets other threads run, and to get the turn back takes long.
        """
        keys = [int.from_bytes(digest[:8], "big", signed=True) for digest in digests]
        (known,) = self._seen.execute(
            "SELECT json_group_array(json_array(line, times)) FROM seen WHERE line IN (SELECT value FROM json_each(?))",
            (orjson.dumps(keys).decode(),),
        ).fetchone()
        times: dict[int, int] = dict(orjson.loads(known))
        counted = []
        for key in keys:
            times[key] = occurrence = times.get(key, 0) + 1
            counted.append(occurrence)
        self._seen.execute(
            "INSERT OR REPLACE INTO seen SELECT key, value FROM json_each(?)",
            (orjson.dumps(times, option=orjson.OPT_NON_STR_KEYS).decode(),),
        )
        return counted

    def close(self) -> None:
        self._seen.close()


def line_ids(source: str, texts: Sequence[bytes], occurrences: Occurrences) -> list[str]:
    """The ids of lines without one: the same whenever the same file is read again, whole or in part."""
    digests = [sha256(text).digest() for text in texts]
    named = f"{source}|".encode("utf-8", "surrogateescape")  # a file's name need not be UTF-8
    return [
        uuid_shaped(sha256(b"%b%b|%d" % (named, digest.hex().encode(), occurrence)).digest())
        for digest, occurrence in zip(digests, occurrences.count(digests), strict=True)
    ]
