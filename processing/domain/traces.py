"""`traceparent` (W3C Trace Context), as requests and messages bear it."""

from __future__ import annotations

import re
from typing import Any

HEADER = "traceparent"
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def read_traceparent(text: str) -> str:
    """The sender's, if it is one, else none."""
    return text if _TRACEPARENT.fullmatch(text) else ""


def find_traceparent(headers: Any) -> str | None:
    """Of a polled message's headers."""
    found = (value.decode("ascii", "replace") for name, value in headers or () if name == HEADER and value)
    return read_traceparent(next(found, "")) or None


def trace_of(traceparent: str) -> str:
    """The trace's id."""
    return traceparent.split("-")[1]
