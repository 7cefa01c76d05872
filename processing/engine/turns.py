"""Which waiting events run now, and which go on waiting for a kind that is not open. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from processing.domain.kinds import SetAside
from processing.domain.outcomes import Attempt
from processing.domain.statuses import Status
from processing.postgres.due import WaitingEvent
from processing.postgres.inbox import StatusChange


@dataclass
class Turns:
    """`attempts` run, in order; `changes` have those that wait for a kind from now on.

    `turn`: the ids whose turn it is though they wait for the kind `drained`, one of them if it is a probe.
    """

    kinds: SetAside
    drained: str | None = None
    turn: Collection[str] = ()
    is_probe: bool = False
    attempts: list[Attempt] = field(default_factory=list)
    changes: list[StatusChange] = field(default_factory=list)
    users: set[str] = field(default_factory=set)  # whose lanes wait for a kind from now on

    def take_lane(self, rows: Iterable[WaitingEvent]) -> None:
        """Those of a lane that run now, from its front on."""
        for each in rows:
            if self._waits_for_kind(each):
                self.users.add(each.attempt.event.user_id)
                return
            if not self._can_run(each):
                return
            self.attempts.append(each.attempt)

    def take_free(self, rows: Iterable[WaitingEvent]) -> None:
        """Those that no lane holds; of events with one ordering key none behind one that does not run."""
        stopped: set[object] = set()
        for each in rows:
            key = each.attempt.ordering_key
            if key is not None and key in stopped:
                continue
            if not self._waits_for_kind(each) and self._can_run(each):
                self.attempts.append(each.attempt)
            elif key is not None:
                stopped.add(key)

    def _has_turn(self, each: WaitingEvent) -> bool:
        return each.attempt.event.id in self.turn

    def _can_run(self, each: WaitingEvent) -> bool:
        return each.status is Status.HELD or each.due or self._has_turn(each)

    def _waits_for_kind(self, each: WaitingEvent) -> bool:
        if not self.kinds or (self.is_probe and self._has_turn(each)):
            return False
        event = each.attempt.event
        drained = self.drained if self._has_turn(each) else None
        kind = self.kinds.find_for_waiting(event.family, event.type, each.topic, each.waits_for, drained)
        if kind is not None and kind != each.waits_for:
            self.changes.append(StatusChange(event.id, each.status, None, waits_for=kind))
        return kind is not None
