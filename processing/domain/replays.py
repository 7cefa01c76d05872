"""What a replay run takes, and how far it and its events are. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

REASONS = 100  # for which events were left as they were, that a run tells apart
EXAMPLES = 10  # ids that it keeps of each
OTHER = "for other reasons"

Refusal = tuple[int, list[str]]


class Phase(StrEnum):
    """Of a run; it can be cancelled until it is done."""

    CHOOSING = "choosing"
    ORDERING = "ordering"
    REPLAYING = "replaying"
    DONE = "done"


class ItemState(StrEnum):
    """Of a run's event."""

    CHOSEN = "chosen"  # and not replayed yet
    REFUSED = "refused"  # left as it was
    WAITING = "waiting"  # replayed, and not final yet
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # again
    SKIPPED = "skipped"  # or known: another event had its place, or its id


class Choice(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Which open dead letters: these, or all that match what is set."""

    ids: list[str] | None = None
    group: int | None = None
    reason: str | None = None
    type: str | None = None
    since: datetime | None = None

    def __str__(self) -> str:
        if self.ids is not None:
            return self.ids[0] if len(self.ids) == 1 else f"{len(self.ids)} that were selected"
        parts = [
            f"group {self.group}" if self.group is not None else "",
            f"reason {self.reason}" if self.reason else "",
            f"type {self.type}" if self.type else "",
            f"since {self.since:%Y-%m-%d %H:%M:%S} UTC" if self.since else "",
        ]
        return ", ".join(filter(None, parts)) or "all that are open"


def write_choice(choice: Choice) -> str:
    return msgspec.json.encode(choice).decode()


def read_choice(text: str) -> Choice:
    """Raises `ValueError`."""
    return msgspec.json.decode(text, type=Choice)


def convert_choice(members: object) -> Choice:
    """The same, of JSON that is decoded already."""
    return msgspec.convert(members, Choice)


def add_refusals(refusals: Mapping[str, Refusal], new: Iterable[tuple[str, str]]) -> dict[str, Refusal]:
    """`refusals`, by reason how many and the first ids, with more (id, reason)."""
    found = dict(refusals)
    for id, reason in new:
        key = reason if reason in found or len(found) < REASONS else OTHER
        number, ids = found.get(key, (0, []))
        found[key] = number + 1, [*ids, id] if len(ids) < EXAMPLES else ids
    return found
