"""Ids repeated in one batch: the later ones follow the first, and take no part in the gate."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.parsing.candidate import Candidate
from ingest.publishing.submission import Outcome, Status


def leaders(candidates: Sequence[Candidate]) -> tuple[list[int], dict[int, int]]:
    """The indexes to publish, and of each later one of an id the index of the first."""
    first: dict[str, int] = {}
    leading, following = [], {}
    for index, event in enumerate(candidates):
        # an id that was made here nobody else has
        if not event.known_before or first.setdefault(event.id, index) == index:
            leading.append(index)
        else:
            following[index] = first[event.id]
    return leading, following


def follow(leader: Outcome) -> Outcome:
    """The outcome of an event whose id came earlier in the batch."""
    if leader.status is Status.ACCEPTED:
        return Outcome(Status.DUPLICATE, leader.event_id)
    return leader
