"""Texts: what Postgres can store, numbers with their nouns, sentences."""

from __future__ import annotations

MAX_ERROR_CHARS = 2000


def storable(text: str) -> str:
    """The text without NUL and lone surrogates, which Postgres refuses, cut to MAX_ERROR_CHARS."""
    return text.replace("\0", "\\0").encode("utf-8", "replace").decode()[:MAX_ERROR_CHARS]


def sentence(text: str) -> str:
    """With a capital; the rest, such as names, as it is."""
    return text[:1].upper() + text[1:]


def counted(number: int, noun: str) -> str:
    """A number and its noun: `1 loss`, `1,200 entries`."""
    return f"{number:,} {noun if number == 1 else plural(noun)}"


def plural(noun: str) -> str:
    if noun.endswith("y") and not noun.endswith(("ay", "ey", "oy")):
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith("s") else f"{noun}s"
