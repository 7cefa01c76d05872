"""Waiting, for those who may stand still and for those who may not.

Taking events waits here and there: for Kafka, now and then for Redis or Postgres. How, its caller says: a thread of its
own stands still meanwhile (`HERE`), an event loop sees to other requests.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from ingest.publishing.batcher import gate
from ingest.publishing.submission import Outcome, Submission

T = TypeVar("T")


class Waiting(Protocol):
    async def call(self, blocking: Callable[[], T]) -> T:
        """What a call returns that may block."""
        ...

    async def pause(self, seconds: float) -> None: ...

    async def submit(self, submission: Submission) -> list[Outcome]:
        """Through the gate: an outcome for each event, at the submission's deadline at the latest."""
        ...


class _Here:
    """In a thread that may stand still."""

    async def call(self, blocking: Callable[[], T]) -> T:
        return blocking()

    async def pause(self, seconds: float) -> None:
        time.sleep(seconds)

    async def submit(self, submission: Submission) -> list[Outcome]:
        return gate().submit(submission)


HERE: Waiting = _Here()


def run_here(work: Coroutine[Any, Any, T]) -> T:
    """Do work that waits by `HERE`: so it never stops half-way."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise RuntimeError("the work waits for an event loop, and there is none")
