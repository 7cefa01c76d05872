"""What wire parsing makes of one event: a `Candidate` that may be published, or a `Refused` with its reasons."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import msgspec

from ingest.parsing.identity import new_event_id
from processing.domain.envelope import Invalid


class Candidate(msgspec.Struct, gc=False):
    """A valid event. `value` is the Kafka value; `key` the idempotency key's name in Redis, empty without one."""

    id: str
    user_id: str
    type: str
    timestamp: int  # Unix ms
    value: bytes
    known_before: bool = False  # the id may be known already: the client gave it, or it is derived from a key
    key: str = ""
    digest: str = ""  # of the content, for the idempotency key or where the id stands for one content
    rated: bool = True  # takes a unit of its user's rate limit
    one_content: bool = False  # the id stands for one content, as a CloudEvent's: with another it is a conflict


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one member; `path` is empty for the whole."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


@dataclass(frozen=True)
class Refused:
    """An invalid event, with as much of it as could be read: empty texts where it could not."""

    error: FieldError
    id: str = ""
    user_id: str = ""
    type: str = ""
    too_large: bool = False
    forbidden: bool = False


class TooLarge(Invalid):
    """The event would be bigger on Kafka than EVENT_MAX_BYTES."""


class Forbidden(Invalid):
    """The caller's API key is not for events of this kind."""


NO_FAMILY = "none"  # among the kinds of an API key: events that belong to no family


def is_for(kinds: Collection[str], family: str) -> bool:
    """Whether a key with these kinds (none: all) is for events of a family, which may be empty."""
    return not kinds or (family or NO_FAMILY) in kinds


@dataclass(frozen=True)
class Context:
    """What checking an event needs to know of its request."""

    caller: str  # the API key's id; the same text for all who have none
    now: int  # Unix ms
    max_bytes: int  # of a Kafka value
    new_id: Callable[[], str] = new_event_id  # for an event without one
    kinds: Collection[str] = ()  # that the API key is for; none: all


Parsed = Candidate | Refused
