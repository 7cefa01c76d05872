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
        self._seen.execute("CREATE TABLE seen (digest TEXT PRIMARY KEY, times INTEGER) WITHOUT ROWID")
        self._seen.execute("BEGIN")

    def count(self, digests: Sequence[str]) -> list[int]:
        """For each line of a piece, 1 for the first with this digest.

        Two statements a piece, each one step: a step lets other threads run, and to get the turn back takes long.
        """
        (known,) = self._seen.execute(
            "SELECT json_group_object(digest, times) FROM seen WHERE digest IN (SELECT value FROM json_each(?))",
            (orjson.dumps(digests).decode(),),
        ).fetchone()
        times: dict[str, int] = orjson.loads(known)
        counted = []
        for digest in digests:
            times[digest] = occurrence = times.get(digest, 0) + 1
            counted.append(occurrence)
        self._seen.execute(
            "INSERT OR REPLACE INTO seen SELECT key, value FROM json_each(?)", (orjson.dumps(times).decode(),)
        )
        return counted

    def close(self) -> None:
        self._seen.close()


def line_ids(source: str, texts: Sequence[bytes], occurrences: Occurrences) -> list[str]:
    """The ids of lines without one: the same whenever the same file is read again, whole or in part."""
    digests = [sha256(text).hexdigest() for text in texts]
    named = f"{source}|".encode("utf-8", "surrogateescape")  # a file's name need not be UTF-8
    return [
        uuid_shaped(sha256(b"%b%b|%d" % (named, digest.encode(), occurrence)).digest())
        for digest, occurrence in zip(digests, occurrences.count(digests), strict=True)
    ]
