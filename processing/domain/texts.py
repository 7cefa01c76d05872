"""Texts that Postgres can store: errors in one piece, without NUL."""

from __future__ import annotations

MAX_ERROR_CHARS = 2000


def storable(text: str) -> str:
    """The text without NUL and lone surrogates, which Postgres refuses, cut to MAX_ERROR_CHARS."""
    return text.replace("\0", "\\0").encode("utf-8", "replace").decode()[:MAX_ERROR_CHARS]
