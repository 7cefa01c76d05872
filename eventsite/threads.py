"""Threads beside an event loop: calls that they make for it, and what they tell it.

An executor of the standard library wakes the loop once for each call: beside a request's own work that is a lot.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
Call = Callable[[], object]


class CallsInLoop:
    """Calls that threads hand to a loop: it is woken once for all that come about the same time."""

    def __init__(self) -> None:
        self._calls: deque[Call] = deque()
        self._waking = False

    def hand(self, loop: asyncio.AbstractEventLoop, call: Call) -> None:
        """By any thread. The call must not fail."""
        self._calls.append(call)
        if not self._waking:  # whoever wakes it takes all that is there by then
            self._waking = True
            loop.call_soon_threadsafe(self._make)

    def _make(self) -> None:
        self._waking = False
        while self._calls:
            self._calls.popleft()()


class Threads:
    """So many, waiting for calls of one loop."""

    def __init__(self, count: int, name: str) -> None:
        self._calls: SimpleQueue[tuple[Call, asyncio.Future[Any]]] = SimpleQueue()
        self._back = CallsInLoop()
        for _ in range(count):
            threading.Thread(target=self._work, name=name, daemon=True).start()

    async def run(self, call: Callable[[], T]) -> T:
        """What it returns or raises, in a thread; one that nobody waits for any more is not begun."""
        ended: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._calls.put((call, ended))
        return await ended

    def _work(self) -> None:
        while True:
            call, ended = self._calls.get()
            if ended.cancelled():
                continue
            try:
                tell: Call = partial(ended.set_result, call())
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                tell = partial(ended.set_exception, error)
            self._back.hand(ended.get_loop(), partial(_tell, ended, tell))


def _tell(ended: asyncio.Future[Any], tell: Call) -> None:
    if not ended.done():  # cancelled meanwhile
        tell()
