"""What a replay run would do, to be read before it is started. Changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from processing.domain.kinds import KindState, SetAside
from processing.domain.replays import Choice
from processing.domain.texts import sentence
from processing.models import DeadLetter
from processing.operators.chunks import while_patient
from processing.operators.kinds import describe
from processing.postgres import replay_preview as rows
from processing.postgres.kinds import find_kinds
from processing.postgres.replay_preview import LOOKED_INTO, MOST, Chosen, Counted

SAMPLE = 10


@dataclass(frozen=True)
class Preview:
    """`effects`: what will happen, a sentence each. `sample`: the oldest."""

    counted: Counted
    effects: list[str]
    sample: list[Chosen]

    @property
    def number(self) -> str:
        return more_than(self.counted.letters)


def preview(choice: Choice) -> Preview:
    def look() -> Preview:
        counted, chosen = rows.count(choice), rows.look_into(choice)
        states = {row.name: row.state for row in find_kinds()}
        return Preview(counted, effects(chosen, states, counted.letters > len(chosen)), chosen[:SAMPLE])

    return while_patient(look)


def more_than(number: int) -> str:
    return f"more than {MOST:,}" if number > MOST else f"{number:,}"


def effects(chosen: Sequence[Chosen], states: Mapping[str, KindState], more: bool) -> list[str]:
    """What replaying these will do; `more`: there are others, which nobody has looked into. Pure."""
    if not chosen:
        return ["None is open: there is nothing to replay."]
    first = f"Of the first {LOOKED_INTO:,}: " if more else ""
    return [
        "Each gets a new set of tries, in the order of its user's events; its attempts are counted on.",
        "Nothing waits for them but lanes that are parked on one.",
        *(sentence(first + line) for line in (*_by_place(chosen), *_set_aside(chosen, states))),
    ]


def _by_place(chosen: Sequence[Chosen]) -> Iterator[str]:
    poisons = sum(rows.is_poison(each) for each in chosen)
    ahead = sum(each.reason == DeadLetter.Reason.AHEAD for each in chosen)
    late = sum(each.seq is not None and each.lane is not None and each.seq < each.lane for each in chosen)
    parked = sum(each.seq is not None and each.seq == each.lane for each in chosen)
    if parked:
        yield f"lanes that are parked on one: {parked:,}. Each goes on once its replay has succeeded."
    if late:
        yield (
            f"with a seq that its lane has passed: {late:,}. Such an event takes effect late, and takes its place in "
            "the lane's order."
        )
    if ahead:
        yield f"too far ahead of its lane: {ahead:,}. That is decided anew."
    if poisons:
        yield f"unreadable: {poisons:,}. Each becomes the event that it carries, or stays as it is."


def _set_aside(chosen: Sequence[Chosen], states: Mapping[str, KindState]) -> Iterator[str]:
    kinds = SetAside(states)
    waiting = Counter(kinds.find(each.family, each.type, None) for each in chosen if not rows.is_poison(each))
    for kind, number in sorted((kind, number) for kind, number in waiting.items() if kind is not None):
        yield f"waiting until {describe(kind)} is open, which is {states[kind]} now: {number:,}."
