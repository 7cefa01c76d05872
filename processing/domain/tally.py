"""What transactions make of events, as numbers by kind: the outcomes, and how long each took to come. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from processing.domain.envelope import Event
from processing.domain.failures import kind_of

Tally = Counter[tuple[str, str]]  # by kind and what is counted: an outcome, or one of the names below

PROCESSED, HELD, RETRYING, FAILED, SKIPPED = "processed", "held", "retrying", "failed", "skipped"
POISON, AHEAD, DUPLICATE = "poison", "ahead", "duplicate"
REPLAYED = "replayed"  # was final, and is no more
OUTCOMES = (PROCESSED, HELD, RETRYING, FAILED, SKIPPED, POISON, AHEAD, DUPLICATE, REPLAYED)
ENDS = frozenset({PROCESSED, FAILED, SKIPPED, POISON, AHEAD})  # their time is measured
TRIED = frozenset({PROCESSED, RETRYING, FAILED})  # a handler run, or there is no handler

# the time to an outcome, from when Kafka had the event; of one that waited, from when it was read
WITHIN_MS = (10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 1_800_000, 7_200_000)
WITHIN = (*(f"within {ms} ms" for ms in WITHIN_MS), "later")  # each without those of the bucket before it
TOOK_MS = "ms to outcome"

# of transactions, and so under no kind
NO_KIND = ""
BATCHES, POSTGRES_US, PASSED = "batches", "us in Postgres", "passed gaps"

Became = tuple[Event, str, int | None]  # the outcome, and since when it was waited for (Unix ms; None: unknown)


def tally_of(events: Iterable[Became], at: datetime) -> Tally:
    """Of events whose outcome came at this time."""
    groups: dict[tuple[str, str, str], tuple[Event, list[int | None]]] = {}
    for event, outcome, since in events:
        key = event.family, event.type, outcome
        group = groups.get(key)
        if group is None:
            group = groups[key] = (event, [])
        group[1].append(since)
    tally: Tally = Counter()
    for (_, _, outcome), (event, since_when) in groups.items():
        add_outcomes(tally, kind_of(event), outcome, since_when, at)
    return tally


def add_outcomes(tally: Tally, kind: str, outcome: str, since_when: Sequence[int | None], at: datetime) -> None:
    tally[kind, outcome] += len(since_when)
    if outcome not in ENDS:
        return
    now = ms_of(at)
    known = sorted(max(0, now - since) for since in since_when if since is not None)
    if known:
        tally[kind, TOOK_MS] += sum(known)
    below = 0
    for name, limit in zip(WITHIN, (*WITHIN_MS, None), strict=True):
        reached = len(known) if limit is None else bisect_right(known, limit)
        if reached > below:
            tally[kind, name] += reached - below
            below = reached


def ms_of(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def total(tally: Tally, *what: str) -> int:
    return sum(number for (_, name), number in tally.items() if name in what)
