"""Cutting a JSON list into its items when the decoder gave up on the whole.

One bad event never spoils the others: a NaN, a lone surrogate or deep nesting in one item ends the decoding of all.
This looks at brackets and strings only, so that each item can be decoded, and refused, on its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# possessive: a string of 10 MiB must not leave 10 million places to go back to
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{},"]', re.DOTALL)
_BEFORE_EVENTS = re.compile(rb'\s*\{\s*"events"\s*:\s*(?=\[)')
_AFTER_LIST = re.compile(rb"\s*\Z")
_AFTER_EVENTS = re.compile(rb"\s*\}\s*\Z")
_OPENING = {b"[": b"]", b"{": b"}"}


def split_batch(body: bytes, limit: int) -> list[bytes] | None:
    """The items of `{"events": [...]}`; None when it has not that shape, or its brackets don't match.

    Of more than `limit`, the first `limit` + 1.
    """
    start = _BEFORE_EVENTS.match(body)
    return _split(body, start.end(), _AFTER_EVENTS, limit) if start else None


def split_list(body: bytes, limit: int) -> list[bytes] | None:
    """The same of `[...]`."""
    start = len(body) - len(body.lstrip())
    return _split(body, start, _AFTER_LIST, limit) if body[start : start + 1] == b"[" else None


def _split(body: bytes, start: int, rest: re.Pattern[bytes], limit: int) -> list[bytes] | None:
    items: list[bytes] = []
    begin = start + 1
    for position, token, depth in _tokens(body, start):
        if token == b"," and depth == 1:
            items.append(body[begin:position].strip())
            begin = position + 1
            if len(items) > limit:
                return items
        elif depth == 0:
            if rest.match(body, position + 1) is None:
                return None
            items.append(body[begin:position].strip())
            return items if all(items) else None
    return None


def _tokens(body: bytes, start: int) -> Iterator[tuple[int, bytes, int]]:
    """Position, token, and how deep it stands after it; ends early where a bracket does not match."""
    closing: list[bytes] = []
    for match in _TOKEN.finditer(body, start):
        token = match.group()
        if token in _OPENING:
            closing.append(_OPENING[token])
        elif token in (b"]", b"}"):
            if not closing or closing.pop() != token:
                return
        elif token == b'"':  # a string that does not end
            return
        yield match.start(), token, len(closing)
