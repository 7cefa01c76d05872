"""What an operator sees first: read from small tables, so that it costs the same however much there is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from processing.domain.kinds import KindState
from processing.domain.process import BEHIND_S, NEEDED
from processing.domain.series import Period, Step, outcomes_by_kind, steps, together
from processing.domain.texts import counted
from processing.models import FailedAttempt, FailureGroup
from processing.operators import health
from processing.operators.kinds import describe
from processing.postgres.counts import open_dead_letters_by_reason
from processing.postgres.kinds import find_kinds
from processing.postgres.pipeline_state import State, read_state
from processing.postgres.processes import Running, find_processes
from processing.postgres.tallies import read_counts

STALE_S = 60.0
SHOWN = 10


@dataclass(frozen=True)
class Lag:
    """Of a partition. `messages`: that the group has not committed; `seconds`: None while no consumer tells."""

    topic: str
    partition: int
    messages: int
    seconds: float | None


@dataclass(frozen=True)
class FirstPage:
    period: Period
    now: datetime
    steps: list[Step]
    totals: Counter[str]
    kinds: dict[str, Counter[str]]
    troubles: list[str]
    notes: list[str]
    state: State
    dead_letters: dict[str, int]
    lags: list[Lag]
    processes: list[Running]
    groups: list[FailureGroup]
    failures: list[FailedAttempt]


def first_page(period: Period) -> FirstPage:
    now = datetime.now(UTC)
    rows = read_counts(now - period.length, int(period.step.total_seconds()))
    plotted = steps(rows, period, now)
    processes = [each for each in find_processes() if not each.replaced]
    state = read_state()
    lags = _lags(state, processes)
    dead_letters = open_dead_letters_by_reason()
    return FirstPage(
        period,
        now,
        plotted,
        together(plotted),
        outcomes_by_kind(rows),
        _troubles(processes, state, lags),
        _notes(state, sum(dead_letters.values())),
        state,
        dead_letters,
        lags,
        processes,
        list(FailureGroup.objects.filter(open__gt=0).order_by("-open", "-last_seen")[:SHOWN]),
        list(FailedAttempt.objects.order_by("-id")[:SHOWN]),
    )


def _troubles(processes: list[Running], state: State, lags: list[Lag]) -> list[str]:
    """What is wrong, a line each."""
    alive = {each.role for each in processes if not each.silent}
    found = [f"no {role} is running" for role in NEEDED if role not in alive]
    found += [
        f"the {each.role} on {each.host}, process {each.pid}, has been silent for {_told(each.silent_s)}"
        for each in processes
        if each.silent
    ]
    behind_s = max([each.seconds or 0.0 for each in lags] or [0.0])
    if behind_s > BEHIND_S:
        found.append(f"the consumers are {_told(behind_s)} behind")
    found += health.degraded()
    if alive and state.age_s > STALE_S:
        found.append("what waits has not been counted for a minute: the numbers below are old")
    return found


def _told(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _notes(state: State, dead_letters: int) -> list[str]:
    """What an operator should see to, or know, while the pipeline runs."""
    groups = FailureGroup.objects.filter(open__gt=0).count()
    failed = state.numbers.get("effects", {}).get("failed", 0)
    to_do = [f"{counted(dead_letters, 'dead letter')} of {counted(groups, 'cause')}"] if dead_letters else []
    to_do += [counted(failed, "failed effect")] if failed else []
    return [f"an operator should see to {each}" for each in to_do] + [
        f"{describe(row.name)} is {row.state.value} since {row.since:%Y-%m-%d %H:%M} UTC"
        + (f" by {row.actor}" if row.actor else "")
        for row in find_kinds()
        if row.state is not KindState.STOPPED
    ]


def _lags(state: State, processes: list[Running]) -> list[Lag]:
    told: dict[tuple[str, int], dict[str, Any]] = {
        (each["topic"], each["partition"]): each for process in processes for each in process.partitions
    }
    lags = {(topic, number): messages for topic, number, messages in state.numbers.get("lag") or ()}
    lags |= {key: each["messages"] for key, each in told.items() if key not in lags}
    return [
        Lag(topic, number, messages, told[topic, number]["seconds"] if (topic, number) in told else None)
        for (topic, number), messages in sorted(lags.items())
    ]
