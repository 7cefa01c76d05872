"""Texts that Postgres can store: errors in one piece, without NUL."""

from __future__ import annotations

import traceback

MAX_ERROR_CHARS = 2000
LIBRARIES = ("site-packages", "/lib/python")


def describe_error(error: Exception) -> str:
    """One text that fits a row, a header and a page."""
    return storable(f"{type(error).__name__}: {error}")


def error_place(error: Exception) -> str:
    """The line of our own code that raised it, without anything that the error says: `shop.events:41 in place`."""
    frames = [
        (frame.f_globals.get("__name__", "?"), line, frame.f_code)
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    own = [each for each in frames if not any(part in each[2].co_filename for part in LIBRARIES)]
    if not own:
        return ""
    module, line, code = own[-1]
    return f"{module}:{line} in {code.co_name}"


def storable(text: str) -> str:
    """The text without NUL and lone surrogates, which Postgres refuses, cut to MAX_ERROR_CHARS."""
    return text.replace("\0", "\\0").encode("utf-8", "replace").decode()[:MAX_ERROR_CHARS]
