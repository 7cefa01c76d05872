"""What a batch made of its messages, as numbers. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from processing.domain.envelope import Event
from processing.domain.failures import kind_named, kind_of_poison
from processing.domain.messages import Arrived, Poison
from processing.domain.tally import AHEAD, DUPLICATE, HELD, POISON, PROCESSED, Tally, add_outcomes, tally_of
from processing.postgres.inbox import StatusChange


def outcomes_of(changes: Sequence[StatusChange], far: Sequence[Event], set_aside: Iterable[str]) -> dict[str, str]:
    """By id those of new events that were not processed."""
    outcomes: dict[str, str] = dict.fromkeys(set_aside, HELD)
    outcomes.update((change.id, str(change.status)) for change in changes)
    outcomes.update((event.id, AHEAD) for event in far)
    return outcomes


def tally_arrivals(
    arrivals: Sequence[Arrived],
    first: Mapping[str, Arrived],
    new: Collection[str],
    outcomes: Mapping[str, str],
    at: datetime,
) -> Tally:
    """What is not among `outcomes` was processed. An id that the inbox had, or an earlier one of this batch, is a
    duplicate."""
    if len(new) == len(arrivals) and not outcomes:
        return tally_of([(a.event, PROCESSED, a.written_at) for a in arrivals], at)
    return tally_of(
        [
            (a.event, outcomes.get(a.event.id, PROCESSED), a.written_at)
            if first[a.event.id] is a and a.event.id in new
            else (a.event, DUPLICATE, None)
            for a in arrivals
        ],
        at,
    )


def tally_poisons(
    unreadable: Sequence[Poison], all_poisons: Sequence[Poison], known: Collection[str], at: datetime
) -> Tally:
    """Behind those that are unreadable come arrivals with a known id and other content, which are no duplicates."""
    tally: Tally = Counter()
    for poison in all_poisons:
        outcome = DUPLICATE if poison.id in known else POISON
        add_outcomes(tally, kind_of_poison(poison.message.topic), outcome, [poison.message.written_at], at)
    tally.subtract((kind_named(each.family, each.type), DUPLICATE) for each in all_poisons[len(unreadable) :])
    return tally
