"""A lane as a picture: what became of each seq around its next one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from processing.domain.statuses import Status

BEFORE, BEHIND = 30, 30  # seqs shown on both sides of the lane's next
MISSING, NEXT, PASSED, UNKNOWN = "missing", "next", "passed", "unknown"
# of several events with one seq, the one that owns it
RANK = {Status.PROCESSED: 0, Status.FAILED: 1, Status.RETRYING: 2, Status.HELD: 3, Status.SKIPPED: 4}


@dataclass(frozen=True)
class Cell:
    """`state`: a status, or one of MISSING, NEXT (nothing waits behind it), PASSED, UNKNOWN; `event_id`: empty without
    an event."""

    seq: int
    state: str
    event_id: str = ""


def window(next_seq: int) -> tuple[int, int]:
    return max(1, next_seq - BEFORE), next_seq + BEHIND


def cells(
    next_seq: int, events: Iterable[tuple[int, str, str]], gaps: Iterable[tuple[int, int]], *, more_waits: bool
) -> list[Cell]:
    """`events`: (seq, status, id) of the window, `gaps`: first and last seq of passed ones; `more_waits`: behind it."""
    first, last = window(next_seq)
    owners: dict[int, tuple[str, str]] = {}
    for seq, status, id in sorted(events, key=lambda each: RANK[Status(each[1])]):
        owners.setdefault(seq, (status, id))
    end = last if more_waits else max((*owners, next_seq))
    passed = {seq for low, high in gaps for seq in range(max(low, first), min(high, last) + 1)}
    absent = NEXT if end == next_seq else MISSING
    return [_cell(seq, next_seq, owners, passed, absent) for seq in range(first, end + 1)]


def _cell(seq: int, next_seq: int, owners: Mapping[int, tuple[str, str]], passed: set[int], absent: str) -> Cell:
    if seq in owners:
        return Cell(seq, *owners[seq])
    if seq >= next_seq:
        return Cell(seq, absent)
    return Cell(seq, PASSED if seq in passed else UNKNOWN)
