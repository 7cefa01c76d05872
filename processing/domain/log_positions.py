"""What the database knows of a partition's log, what the log is now, and what of it is gone unread. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import msgspec


class Why(StrEnum):
    """How messages left the log before they were read."""

    DELETED = "deleted", "deleted: retention, or somebody, was faster"
    TRUNCATED = "truncated", "truncated: the log ends before what was read of it"
    MADE_ANEW = "made anew", "made anew: the topic was deleted, or the broker forgot it"

    label: str

    def __new__(cls, value: str, label: str) -> Why:
        member = str.__new__(cls, value)
        member._value_ = value
        member.label = label
        return member


@dataclass(frozen=True)
class StoredPosition:
    """Of a partition, as Postgres has it: everything before `next` is in the inbox, or recorded as lost.

    `topic_id` is empty where the broker has none. `end_seen` is the highest end of the log that a consumer has met.
    `generation` is raised whenever positions before and after cannot be compared: a late batch changes nothing.
    """

    topic_id: str
    next: int
    end_seen: int
    generation: int = 1


@dataclass(frozen=True)
class LogState:
    """A partition's log, as the broker has it now: the first offset, the end, and what the group has committed."""

    topic_id: str
    low: int
    end: int
    committed: int | None = None


@dataclass(frozen=True)
class PositionMove:
    """A batch has been read up to `next`; the log reached at least to `end_seen` then."""

    topic: str
    partition: int
    generation: int
    next: int
    end_seen: int


class Place(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Where the door was told that an event stands, and when (Unix ms)."""

    topic: str
    topic_id: str
    partition: int
    offset: int
    at: int


@dataclass(frozen=True)
class Lost:
    """Messages that the log `topic_id` no longer has. `last` is None: how far they reached was never seen."""

    topic_id: str
    first: int
    last: int | None
    why: Why


@dataclass(frozen=True)
class Placement:
    """Where to begin reading, what to store as the position, and what was lost before it."""

    start: int
    position: StoredPosition
    lost: Lost | None = None


def place(stored: StoredPosition | None, log: LogState, *, truncated: bool = False) -> Placement:
    """Decide where to read a partition on. `truncated`: the client has found a break in the log by its leader epochs.

    The group's committed offset may be lower than the position (the hot state of the last batches is then written
    again), never decides beyond it, and says nothing about a log made anew, nor, beyond its end, about any.
    """
    if stored is None:  # the first reading: what was here before us was never ours
        start = _within(log, log.committed if (log.committed or 0) <= log.end else None)
        return Placement(start, StoredPosition(log.topic_id, start, max(start, log.end)))
    if stored.topic_id and log.topic_id and stored.topic_id != log.topic_id:
        return _begin_anew(stored, log, Why.MADE_ANEW)
    if truncated or log.end < stored.next:
        return _begin_anew(stored, log, Why.TRUNCATED)
    position = replace(
        stored,
        topic_id=log.topic_id or stored.topic_id,
        next=max(stored.next, log.low),
        end_seen=max(stored.end_seen, log.end),
    )
    lost = Lost(position.topic_id, stored.next, log.low - 1, Why.DELETED) if log.low > stored.next else None
    committed = None if log.committed is None else min(log.committed, stored.next)
    return Placement(_within(log, committed), position, lost)


def _begin_anew(stored: StoredPosition, log: LogState, why: Why) -> Placement:
    """From the log's first message: nobody knows which of those that are there have been read."""
    last = stored.end_seen - 1 if stored.end_seen > stored.next else None
    position = StoredPosition(log.topic_id, log.low, log.end, stored.generation + 1)
    return Placement(log.low, position, Lost(stored.topic_id, stored.next, last, why))


def _within(log: LogState, offset: int | None) -> int:
    return log.low if offset is None else min(max(offset, log.low), max(log.end, log.low))
