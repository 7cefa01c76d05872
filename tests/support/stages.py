"""A pair of stages that says what it did. No service: what the stages do is given."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from processing.domain.outcomes import BatchResult, HotStateUpdate
from processing.engine.stages import Stages

WAIT_S = 10.0  # for what comes at once, unless something is broken
ROOM_S = 0.01


def named(name: str) -> BatchResult:
    return BatchResult(HotStateUpdate(refresh=[name]))


def name_of(result: BatchResult) -> str:
    (name,) = result.hot_state.refresh
    return name


def nothing() -> Iterable[BatchResult]:
    return ()


@dataclass
class Log:
    """What the stages did, in order. A piece of work is a text; its results are its letters."""

    lines: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def commit(self, work: str) -> Iterator[BatchResult]:
        for letter in work:
            self.lines.append(f"commit {letter}")
            yield named(letter)

    def publish(self, result: BatchResult) -> None:
        self.lines.append(f"publish {name_of(result)}")

    def slow(self, work: str) -> None:
        self.lines.append(f"slow {work}")

    def done(self, work: str) -> None:
        self.lines.append(f"done {work}")

    def of(self, *verbs: str) -> list[str]:
        return [line for line in self.lines if line.split()[0] in verbs]

    def stages(
        self,
        *,
        commit: Callable[[str], Iterable[BatchResult]] | None = None,
        between: Callable[[], Iterable[BatchResult]] = nothing,
        more: Callable[[], bool] = lambda: False,
        publish: Callable[[BatchResult], None] | None = None,
        done: Callable[[str], None] | None = None,
        queued: int = 2,
    ) -> Stages[str]:
        return Stages(
            commit=commit or self.commit,
            between=between,
            more=more,
            slow=self.slow,
            publish=publish or self.publish,
            done=done or self.done,
            stop=self.stop,
            queued=queued,
        )


def finish(stages: Stages[str]) -> None:
    stages.finish(WAIT_S)
    assert not is_running(stages)


def is_running(stages: Stages[str]) -> bool:
    return stages._committing.is_alive() or stages._publishing.is_alive()


def join(stages: Stages[str]) -> None:
    """Wait for an end that nobody asked for."""
    for thread in (stages._committing, stages._publishing):
        thread.join(WAIT_S)
        assert not thread.is_alive()
