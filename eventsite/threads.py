"""Threads that an event loop hands calls to.

An executor of the standard library wakes the loop once for each call: beside a request's own work that is a lot.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

Call = Callable[[], None]


class Threads:
    """So many, waiting for calls; the loop is woken once for all calls that end about the same time. For one loop."""

    def __init__(self, count: int, name: str) -> None:
        self._calls: SimpleQueue[tuple[Call, asyncio.Future[None]]] = SimpleQueue()
        self._ended: deque[tuple[asyncio.Future[None], BaseException | None]] = deque()
        self._waking = False
        for _ in range(count):
            threading.Thread(target=self._work, name=name, daemon=True).start()

    async def run(self, call: Call) -> None:
        """Returns once a thread has done it; one that nobody waits for any more is not begun. Raises what it raises."""
        ended = asyncio.get_running_loop().create_future()
        self._calls.put((call, ended))
        await ended

    def _work(self) -> None:
        while True:
            call, ended = self._calls.get()
            failure: BaseException | None = None
            if not ended.cancelled():
                try:
                    call()
                except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                    failure = error
            self._ended.append((ended, failure))
            if not self._waking:  # whoever wakes it takes all that is there by then
                self._waking = True
                ended.get_loop().call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        self._waking = False
        while self._ended:
            ended, failure = self._ended.popleft()
            if ended.cancelled():
                continue
            if failure is None:
                ended.set_result(None)
            else:
                ended.set_exception(failure)
