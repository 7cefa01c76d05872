"""Checks that may hang, asked in bounded time: each runs in a thread of its own, one at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Condition, Thread

import structlog

from processing.postgres.transaction import close_connection

ANSWER_S = 3.0  # longer than any one question to Kafka waits
LAST_HOLDS_S = 30.0  # what was found to be wrong counts for so long, if asking again takes too long

log = structlog.get_logger(__name__)

Find = Callable[[], Sequence[str]]  # a line for each thing that is wrong; empty when nothing is


class Check:
    """Those who ask while a check runs get its answer; one that hangs is not started again beside itself."""

    def __init__(self, name: str, find: Find) -> None:
        self._name = name
        self._find = find
        self._change = Condition()
        self._since: float | None = None  # when the check that runs was started (time.monotonic())
        self._runs = 0  # that have ended
        self._answer: Sequence[str] = ()
        self._answered_at = -LAST_HOLDS_S

    def begin(self) -> int:
        """Start the check unless it runs; returns which run's answer to wait for."""
        with self._change:
            if self._since is None:
                self._since = time.monotonic()
                Thread(target=self._run, name="health", daemon=True).start()
            return self._runs + 1

    def answer(self, run: int, deadline: float) -> Sequence[str]:
        """What that run found; at `deadline` (time.monotonic()) what was found lately, else that it goes on."""
        with self._change:
            self._change.wait_for(lambda: self._runs >= run, max(0.0, deadline - time.monotonic()))
            if self._runs >= run or self._since is None:
                return self._answer
            now = time.monotonic()
            if self._answer and now - self._answered_at < LAST_HOLDS_S:
                return self._answer
            return [f"no answer for {now - self._since:.0f} s ({self._name})"]

    def _run(self) -> None:
        try:
            answer = self._find()
            close_connection()  # this thread's own
        except Exception as error:  # a bug must not leave those who ask without an answer
            log.exception("a health check failed")
            answer = [f"the check itself failed: {type(error).__name__}"]
        with self._change:
            self._answer, self._answered_at, self._since = answer, time.monotonic(), None
            self._runs += 1
            self._change.notify_all()


class Checks:
    """Several checks, run at once; those that find something, by name, within ANSWER_S."""

    def __init__(self, **finds: Find) -> None:
        self._checks = {name: Check(name, find) for name, find in finds.items()}

    def ask(self) -> dict[str, Sequence[str]]:
        deadline = time.monotonic() + ANSWER_S
        runs = {name: check.begin() for name, check in self._checks.items()}
        answers = {name: self._checks[name].answer(run, deadline) for name, run in runs.items()}
        return {name: lines for name, lines in answers.items() if lines}
