"""Timestamps on the wire: Unix ms or RFC 3339."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec

from processing.domain.envelope import MAX_TIMESTAMP_MS, MIN_TIMESTAMP_MS, Invalid

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
AwareDatetime = Annotated[datetime, msgspec.Meta(tz=True)]


def parse_timestamp(value: int | str, path: str) -> int:
    """Unix ms. Raises `Invalid`."""
    stamp = value if isinstance(value, int) else _parse_rfc3339(value, path)
    if not MIN_TIMESTAMP_MS <= stamp <= MAX_TIMESTAMP_MS:
        raise Invalid(path, "must lie in the years 1 to 9999")
    return stamp


def _parse_rfc3339(text: str, path: str) -> int:
    try:
        moment = msgspec.convert(text, AwareDatetime)
    except msgspec.ValidationError as error:
        meant = "Unix milliseconds or an RFC 3339 time with its zone, as 2026-01-31T12:00:00Z"
        raise Invalid(path, f"must be {meant}") from error
    return (moment - EPOCH) // MILLISECOND
