"""Event ids and idempotency keys: what makes two requests the same."""

from __future__ import annotations

from hashlib import sha256
from itertools import count
from typing import Any

from uuid_utils import uuid7

from processing.domain.identity import content_digest, uuid_shaped

MAX_KEY_LENGTH = 255
COUNTED_DIGITS = 5  # a batch has 1,000,000 events at most


def new_event_id() -> str:
    return str(uuid7())


class RequestIds:
    """Ids for the events of one request: UUIDv7, the same but for the last digits, which count."""

    def __init__(self) -> None:
        self._same = new_event_id()[:-COUNTED_DIGITS]
        self._numbers = count()

    def __call__(self) -> str:
        return f"{self._same}{next(self._numbers):0{COUNTED_DIGITS}x}"


def key_name(caller: str, key: str) -> str:
    """The idempotency key in Redis: a hash, so that a caller's text reaches no other key, and nobody reads it there."""
    return "idem:" + sha256(f"{caller}|{key}".encode()).hexdigest()


def identify(caller: str, key: str, event_id: str | None, content: list[Any]) -> tuple[str, str, str]:
    """Of an event with an idempotency key: the key's name in Redis, its content's digest, and its id. `event_id` is the
    client's own, which is content too, unless it is the one that an answer told."""
    name = key_name(caller, key)
    digest = content_digest([None, *content])
    derived = derived_event_id(name, digest)
    if event_id is None or event_id == derived:
        return name, digest, derived
    return name, content_digest([event_id, *content]), event_id


def derived_event_id(name: str, digest: str) -> str:
    """The id of an event with an idempotency key (`key_name`) and none of its own: a UUIDv8 of the key and content."""
    return uuid_shaped(sha256(f"{name}|{digest}".encode()).digest())
