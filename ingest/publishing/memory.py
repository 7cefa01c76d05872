"""What the door remembers of accepted events, until Postgres has them: how it is written, and under which key.

An event whose id others may have sent is remembered by itself. Those whose ids were made here share a record, those of
a request: their ids are the same but for the last digits (`RequestIds`), so each leads to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from ingest.parsing.candidate import Candidate
from processing.domain.identity import UUID_LENGTH, VERSION_AT
from processing.domain.log_positions import Place

SHARED_DIGITS = 3  # so a record has 4,096 events at most; reserve.lua and refuse.lua take ids apart by the same
MADE_VERSION = "7"

encode = msgspec.json.Encoder().encode


class Accepted(msgspec.Struct, omit_defaults=True):
    """Of one event."""

    userId: str  # noqa: N815 - as on the wire
    type: str
    timestamp: int
    place: Place | None = None
    digest: str = ""  # of its content, where its id stands for one


class Entry(msgspec.Struct, array_like=True, gc=False):
    """Of one event in a shared record; its place but for the topic. An offset below 0: its place is not known."""

    user_id: str
    type: str
    timestamp: int
    partition: int = -1
    offset: int = -1
    at: int = 0


class Shared(msgspec.Struct):
    """Of a request's events, by the last digits of their ids; all in one topic."""

    topic: str
    topic_id: str
    events: dict[str, Entry]


_accepted = msgspec.json.Decoder(Accepted)
_shared = msgspec.json.Decoder(Shared)


def own_key(id: str) -> str:
    return f"accepted:{id}"


def shared_key(id: str) -> str:
    """No caller's id has a NUL in it."""
    return f"accepted:\0{id[:-SHARED_DIGITS]}"


def may_be_shared(id: str) -> bool:
    """Whether it looks like one that was made here."""
    return len(id) == UUID_LENGTH and id[VERSION_AT] == MADE_VERSION


def own(event: Candidate, place: Place | None) -> bytes:
    digest = event.digest if event.one_content else ""
    return encode(Accepted(event.user_id, event.type, event.timestamp, place, digest))


def share(events: Iterable[Candidate], places: Mapping[str, Place | None]) -> dict[str, Shared]:
    """The records, by their keys."""
    records: dict[str, Shared] = {}
    for event in events:
        place = places.get(event.id)
        topic, topic_id = ("", "") if place is None else (place.topic, place.topic_id)
        record = records.get(key := shared_key(event.id))
        if record is None:
            record = records[key] = Shared(topic, topic_id, {})
        entry = Entry(event.user_id, event.type, event.timestamp)
        if place is not None and (topic, topic_id) == (record.topic, record.topic_id):
            entry.partition, entry.offset, entry.at = place.partition, place.offset, place.at
        record.events[event.id[-SHARED_DIGITS:]] = entry
    return records


def read_own(memory: bytes | None) -> Accepted | None:
    return _accepted.decode(memory) if memory else None


def read_record(memory: bytes | None) -> Shared | None:
    return _shared.decode(memory) if memory else None


def read_shared(id: str, record: Shared | None) -> Accepted | None:
    """Of this event, if it is in the record."""
    entry = record.events.get(id[-SHARED_DIGITS:]) if record else None
    if record is None or entry is None:
        return None
    place = Place(record.topic, record.topic_id, entry.partition, entry.offset, entry.at) if entry.offset >= 0 else None
    return Accepted(entry.user_id, entry.type, entry.timestamp, place)


def name_in_shared(id: str, *, forgotten: bool = False) -> bytes:
    """What stands before its entry in the record's text, or instead of that once it is forgotten."""
    digits = id[-SHARED_DIGITS:]
    return f'"{"-" + digits[1:] if forgotten else digits}":'.encode()
