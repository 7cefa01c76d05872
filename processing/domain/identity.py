"""What makes two contents the same, and ids that are made of texts."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import orjson

from processing.domain.numbers import write_by_value

UUID_LENGTH, VERSION_AT = 36, 14


def content_digest(content: Any) -> str:
    """The same for the same JSON, however its members are ordered and spaced and its numbers written."""
    return sha256(orjson.dumps(content, default=write_by_value, option=orjson.OPT_SORT_KEYS)).hexdigest()


def uuid_shaped(digest: bytes) -> str:
    """The first 16 bytes as the text of a UUIDv8 (RFC 9562: for uses of one's own), see `is_uuid_shaped`."""
    text = digest.hex()
    variant = "89ab"[digest[8] >> 4 & 0b11]
    return f"{text[:8]}-{text[8:12]}-8{text[13:16]}-{variant}{text[17:20]}-{text[20:32]}"


def is_uuid_shaped(id: str) -> bool:
    """Whether it looks like one that was made here of texts."""
    return len(id) == UUID_LENGTH and id[VERSION_AT] == "8"
