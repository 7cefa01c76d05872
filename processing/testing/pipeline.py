"""The pipeline in a test's transaction. It calls the engine's functions, and leaves out what follows a commit."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from processing.domain.compose import compose, encode_event, kind_of_schema
from processing.domain.envelope import Event
from processing.domain.families import Family, replace
from processing.domain.messages import Arrival, Message, read_message
from processing.domain.outcomes import BatchResult
from processing.domain.replays import Choice
from processing.domain.statuses import Status
from processing.engine.effects import run_due_effects
from processing.engine.process_batch import process_batch
from processing.engine.release import ReadyLanes, due_turns
from processing.models import InboxEvent
from processing.operators import replay_runs
from processing.postgres import effects
from processing.postgres.due import overdue_fronts, overdue_retries
from processing.postgres.elapsed import let_pass
from processing.postgres.gaps import find_passable_without_partition
from processing.postgres.letter_copies import mark_published, unpublished_of
from processing.postgres.replay_runs import refusals_of
from processing.testing.failing import FailingOnce, put_handler

MOST = 10_000  # that wait in one test
OPERATOR = "a test"


@dataclass(frozen=True)
class Outcome:
    """What the inbox says of an event now. `attempts` are handler runs; `error` is the last one's."""

    id: str
    status: Status
    attempts: int
    error: str | None


class Pipeline:
    """`apply` what a producer would send, then look at the rows that the handler wrote.

    Use the fixture `pipeline`, or `PipelineMixin`; else call `close` at the end.
    """

    def __init__(self) -> None:
        self._sent = 0
        self._before: list[tuple[Family, Family]] = []  # kinds whose handlers fail for a test: now, and before

    def event(
        self,
        payload: object,
        *,
        user: str = "user-1",
        seq: int | None = None,
        id: str = "",
        timestamp: int | None = None,
        type: str = "",
        fail: int | bool = False,
    ) -> Event:
        """An event for `apply_batch`, checked as the door checks it: raises `Invalid` for what that would refuse.

        `payload` is an instance of a declared Struct, or a dict with the `type` that owns it. `fail` asks for so many
        tries to fail before the handler is called, where FAULT_INJECTION is on.
        """
        self._sent += 1
        at = time.time_ns() // 1_000_000 if timestamp is None else timestamp
        own: dict[str, Any] = {} if seq is None else {"seq": seq}
        if fail:
            own["fail"] = fail
        return compose(payload, id=id or f"event-{self._sent}", user=user, timestamp=at, event_type=type, **own)

    def apply(self, payload: object, **options: Any) -> Outcome:
        """Send one event, with the options of `event`, and let all run that it lets run. Returns its outcome."""
        return self.apply_batch([self.event(payload, **options)])[0]

    def apply_batch(self, events: Sequence[Event]) -> list[Outcome]:
        """Send these in one batch, as the consumer reads them from the log. Returns their outcomes."""
        arrivals = [Arrival(event, _message(number, event)) for number, event in enumerate(events)]
        self._go_on(process_batch(arrivals, []))
        return [self.outcome(event.id) for event in events]

    def outcome(self, id: str) -> Outcome:
        """Of an event that was sent before. Raises `InboxEvent.DoesNotExist`."""
        row = InboxEvent.objects.only("status", "attempts", "error").get(pk=id)
        return Outcome(id, Status(row.status), row.attempts, row.error)

    def fail_once(self, payload_type: object, error: Exception | None = None) -> None:
        """The next event of this type fails once: its handler does its work, and then `error` is raised, so that all
        of its effects must be undone."""
        kind = kind_of_schema(payload_type)
        self._before.append((put_handler(kind, FailingOnce(kind.handler, error)), kind))

    def advance(self, seconds: float) -> None:
        """Let time pass, and run once what is due then: retries, and lanes whose gap has lasted too long."""
        let_pass(seconds)
        self._run(overdue_retries(0, MOST))
        passable = find_passable_without_partition((), settings.SEQUENCE_GAP_TIMEOUT_MS)
        _exhaust(ReadyLanes(passable=passable).release_all())
        self._run(overdue_fronts(0, MOST))

    def replay(self, *ids: str) -> list[Outcome]:
        """Replay dead letters, as an operator does, and run them. Returns their outcomes. Raises `ValueError` for what
        cannot be replayed."""
        mark_published(unpublished_of(ids))  # their copies would go to Kafka first
        run = replay_runs.start(Choice(ids=list(ids)), actor=OPERATOR)
        while (step := replay_runs.take_step(run)) is not None:
            self._run(step.effects.due)
        refused = [f"{id} {why}" for why, (_, named) in refusals_of(run).items() for id in named]
        if refused:
            raise ValueError("; ".join(refused))
        return [self.outcome(id) for id in ids]

    def run_effects(self) -> list[tuple[str, str]]:
        """Run the tasks that are due after their events, and send the follow-ups. Returns, for each, the task's name
        (`emit`: a follow-up) and what became of it: done, retrying or failed."""
        with closing(run_due_effects()) as turns:
            ran = [(ended.effect.name, ended.became) for ended in turns]
        while (claimed := effects.claim(MOST, follow_ups=True)) is not None:
            messages = [Message(None, None, each.id, each.user_id.encode(), each.value) for each in claimed]
            self._go_on(process_batch([a for a in map(read_message, messages) if isinstance(a, Arrival)], []))
            effects.end_done([each.id for each in claimed])
            ran += [(each.name, "done") for each in claimed]
        return ran

    def close(self) -> None:
        """Give handlers that were to fail back."""
        while self._before:
            replace(*self._before.pop())

    def _run(self, ids: Sequence[str]) -> None:
        for result in due_turns(ids) if ids else ():
            self._go_on(result)

    def _go_on(self, result: BatchResult) -> None:
        """The lanes that a batch made ready have their turns."""
        _exhaust(ReadyLanes(result.ready).release_all())


def _message(number: int, event: Event) -> Message:
    """Without a place in the log: no consumer reads that, so a gap before it ends by time alone."""
    return Message(None, None, number, event.user_id.encode(), encode_event(event))


def _exhaust(results: Iterable[BatchResult]) -> None:
    deque(results, maxlen=0)
