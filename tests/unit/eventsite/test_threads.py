"""Calls that an event loop hands to threads."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

import pytest

from eventsite.threads import Threads


def test_calls_run_at_once_and_each_is_waited_for() -> None:
    together = threading.Barrier(3)
    done: list[int] = []

    async def three() -> None:
        threads = Threads(3, "test")

        def call(number: int) -> None:
            together.wait()
            done.append(number)

        await asyncio.gather(*(threads.run(partial(call, number)) for number in range(9)))

    asyncio.run(three())
    assert sorted(done) == list(range(9))


def test_what_a_call_raises_is_raised_and_the_thread_goes_on() -> None:
    def fail() -> None:
        raise ValueError("no")

    async def twice() -> None:
        threads = Threads(1, "test")
        for _ in range(2):
            with pytest.raises(ValueError, match="no"):
                await threads.run(fail)

    asyncio.run(twice())


def test_a_call_that_nobody_waits_for_is_not_begun() -> None:
    begun, go_on = threading.Event(), threading.Event()
    done: list[str] = []

    async def leave() -> None:
        threads = Threads(1, "test")

        def first() -> None:
            begun.set()
            go_on.wait()

        running = asyncio.create_task(threads.run(first))
        waiting = asyncio.create_task(threads.run(lambda: done.append("second")))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.sleep(0)
        go_on.set()
        await running
        await threads.run(lambda: done.append("third"))

    asyncio.run(leave())
    assert done == ["third"]
