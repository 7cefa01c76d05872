"""Kinds of event that can be set aside, by name, and what waits for one. Pure.

A family is named by itself (`game`), one of its types behind it (`game/move`; `/page.viewed` without a family), a topic
with its word (`topic:events`). A family is an identifier, so each name can be read back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

TOPIC = "topic:"


class KindState(StrEnum):
    """A kind that is open has no row.

    open ──▶ stopped ──▶ draining ──▶ open    its handler keeps failing; a probe succeeds; nothing waits any more
      │         ▲ ▼        ▲  │
      └─────▶ paused ──────┘  └──▶ stopped or paused again
    """

    STOPPED = "stopped"
    PAUSED = "paused"
    DRAINING = "draining"


def type_kind(family: str, event_type: str) -> str:
    return f"{family}/{event_type}"


def topic_kind(topic: str) -> str:
    return f"{TOPIC}{topic}"


def parts_of(kind: str) -> tuple[str, str | None, str | None]:
    """(family, type, topic) of a kind's name; the type of a whole family is None, and all but the topic of a topic."""
    if kind.startswith(TOPIC):
        return "", None, kind.removeprefix(TOPIC)
    family, slash, event_type = kind.partition("/")
    return family, event_type if slash else None, None


@dataclass(frozen=True)
class SetAside:
    """The kinds that are not open, as a transaction sees them; it keeps them from being opened until it ends."""

    states: Mapping[str, KindState] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.states)

    @property
    def topics(self) -> bool:
        return any(kind.startswith(TOPIC) for kind in self.states)

    def find(self, family: str, event_type: str, topic: str | None) -> str | None:
        """The kind for which a new event waits; the widest of several, so that all of them stand in one queue."""
        return next((kind for kind in _kinds(family, event_type, topic) if kind in self.states), None)

    def find_for_waiting(
        self, family: str, event_type: str, topic: str | None, waits_for: str | None, drained: str | None = None
    ) -> str | None:
        """The kind for which an event that the inbox has must wait; None: it may run.

        While a kind drains, events that wait for it run when it is their turn (`drained`), and others, such as retries,
        as ever. One whose turn it is goes behind a narrower kind's events, if that drains too: they are older.
        """
        wider = True
        for kind in _kinds(family, event_type, topic):
            state = self.states.get(kind)
            if kind == drained:
                wider = False
                continue
            its_turn_comes = kind == waits_for or (drained is not None and not wider)
            if state in (KindState.STOPPED, KindState.PAUSED) or (state is KindState.DRAINING and its_turn_comes):
                return kind
        return None


def _kinds(family: str, event_type: str, topic: str | None) -> tuple[str, ...]:
    """All kinds that an event is of, the widest first."""
    topics = (topic_kind(topic),) if topic else ()
    return (*topics, family, type_kind(family, event_type)) if family else (*topics, type_kind("", event_type))
