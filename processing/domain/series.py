"""Counts over time, as the operator's first page plots them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from processing.domain.tally import OUTCOMES, WITHIN, WITHIN_MS

Row = tuple[int | None, str | None, str, int]  # of a step (Unix seconds), or of a kind: what, how often

PERCENTILES = (50, 95, 99)


@dataclass(frozen=True)
class Period:
    """What is plotted: so far back, in steps that are stored as finely."""

    name: str
    title: str
    length: timedelta
    step: timedelta


PERIODS = {
    each.name: each
    for each in (
        Period("hour", "last hour", timedelta(hours=1), timedelta(minutes=1)),
        Period("day", "last day", timedelta(days=1), timedelta(minutes=10)),
        Period("week", "last week", timedelta(days=7), timedelta(hours=1)),
    )
}


@dataclass
class Step:
    """What was counted from `start` on, until the next one begins."""

    start: datetime
    minutes: float
    what: Counter[str] = field(default_factory=Counter)

    def per_minute(self, outcome: str) -> float:
        return self.what[outcome] / self.minutes


def steps(rows: Iterable[Row], period: Period, now: datetime) -> list[Step]:
    """All of the period's, also those in which nothing was counted; the last one goes on."""
    seconds = int(period.step.total_seconds())
    last = int(now.timestamp()) // seconds * seconds
    starts = range(last - (period.length // period.step - 1) * seconds, last + 1, seconds)
    found = {start: Step(datetime.fromtimestamp(start, UTC), seconds / 60) for start in starts}
    for start, _, what, count in rows:
        if start in found:
            found[start].what[what] += count
    found[last].minutes = max(1.0, (now.timestamp() - last) / 60)
    return list(found.values())


def percentile_ms(what: Mapping[str, int], percent: float) -> float | None:
    """The time within which so many of a hundred had their outcome, within its bucket in proportion; None: of none."""
    counts = [what.get(name, 0) for name in WITHIN]
    wanted = sum(counts) * percent / 100
    if not wanted:
        return None
    below, lowest = 0, 0
    for count, limit in zip(counts, WITHIN_MS, strict=False):
        if count and below + count >= wanted:
            return lowest + (limit - lowest) * (wanted - below) / count
        below, lowest = below + count, limit
    return float(WITHIN_MS[-1])


def together(parts: Sequence[Step]) -> Counter[str]:
    result: Counter[str] = Counter()
    for each in parts:
        result.update(each.what)
    return result


def outcomes_by_kind(rows: Iterable[Row]) -> dict[str, Counter[str]]:
    """The busiest kinds first."""
    found: dict[str, Counter[str]] = {}
    for _, kind, what, count in rows:
        if kind and what in OUTCOMES:
            found.setdefault(kind, Counter())[what] += count
    return dict(sorted(found.items(), key=lambda each: -each[1].total()))
