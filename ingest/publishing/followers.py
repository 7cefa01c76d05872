"""Ids repeated in one batch: the later ones follow the first, and take no part in the gate."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.parsing.candidate import Candidate
from ingest.publishing.submission import OTHER_CONTENT, Outcome, Status


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


def is_same(first: Candidate, later: Candidate) -> bool:
    """Whether a later event of an id is the first one again; only that of a CloudEvent stands for one content."""
    return not (first.one_content and later.one_content) or first.digest == later.digest


def follow(leader: Outcome, *, same: bool) -> Outcome:
    """The outcome of an event whose id came earlier in the batch, with the `same` content or another."""
    if not same and leader.status in (Status.ACCEPTED, Status.DUPLICATE):
        return Outcome(Status.CONFLICT, leader.event_id, OTHER_CONTENT)
    if leader.status is Status.ACCEPTED:
        return Outcome(Status.DUPLICATE, leader.event_id)
    return leader
