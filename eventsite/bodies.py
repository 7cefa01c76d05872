"""Bodies of requests, read in the event loop: each by a deadline, all of them within a bound on memory.

The application finds out when it reads a body that is not there: by TimeoutError (it did not come in time),
BlockingIOError (the server could not wait for it), ConnectionError (the client went away).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from dataclasses import dataclass
from io import BytesIO
from itertools import takewhile
from typing import NoReturn

LEAVE_S = 2.0  # once the process is to end, a body may take so long


class Missing:
    """In place of a body."""

    def __init__(self, error: OSError) -> None:
        self._error = error

    def read(self, *_: int) -> NoReturn:
        raise self._error

    readline = read


@dataclass(frozen=True, slots=True)
class Body:
    """`length`: its bytes; of one that is too large, the bytes announced or read. `held`: what it takes of the room."""

    length: int
    stream: BytesIO | Missing
    held: int = 0


@dataclass(slots=True, eq=False)
class Coming:
    """A body that comes: who reads it, until when it may come (by the loop's time), why it was ended if it was."""

    task: asyncio.Task[object]
    until: float
    ended: OSError | None = None


def current_task() -> asyncio.Task[object]:
    task = asyncio.current_task()
    assert task is not None  # a body is read in one
    return task


class Bodies:
    """Reads bodies of up to `max_bytes`, each within `timeout_s`. They are held until they are released.

    Where all would take more than `room_bytes`, the one that has been coming for longest is given up. For one loop.
    """

    def __init__(self, timeout_s: float, max_bytes: int, room_bytes: int) -> None:
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._room_bytes = room_bytes
        self._leaving = False
        self._held = 0
        self._coming: dict[Coming, None] = {}  # the oldest first: its time is over before the others'
        self._looking = False

    async def read(self, chunks: AsyncIterable[bytes], announced: int | None) -> Body:
        """`announced`: its length, where the client told it; such a body is too large before any of it is read."""
        if announced == 0:
            return Body(0, BytesIO())
        if announced is not None and announced > self._max_bytes:
            return Body(announced, Missing(BlockingIOError("too large")))
        came: list[bytes] = []
        body: Body | None = None
        coming = self._expect()
        try:
            length = await self._read(chunks, announced, came, coming)
            body = self._whole(came, length, announced)
        except asyncio.CancelledError:
            if coming.ended is None:
                raise
            coming.task.uncancel()
            body = Body(announced or 1, Missing(coming.ended))
        finally:
            self._coming.pop(coming, None)
            if body is None or not body.held:
                self._held -= sum(map(len, came))
        return body

    def _expect(self) -> Coming:
        loop = asyncio.get_running_loop()
        coming = Coming(current_task(), loop.time() + self._timeout_s)
        self._coming[coming] = None
        if not self._looking:
            self._looking = True
            loop.call_at(coming.until, self._end_late, loop)
        return coming

    def _end_late(self, loop: asyncio.AbstractEventLoop) -> None:
        """Those whose time is over; then again for the next. One timer for all: nearly every body comes in time."""
        now = loop.time()
        for coming in list(takewhile(lambda each: each.until <= now, self._coming)):
            self._end(coming, BlockingIOError("given up") if self._leaving else TimeoutError("too late"))
        oldest = next(iter(self._coming), None)
        self._looking = oldest is not None
        if oldest is not None:
            loop.call_at(oldest.until, self._end_late, loop)

    def _end(self, coming: Coming, why: OSError) -> None:
        del self._coming[coming]
        coming.ended = why
        if coming.task is not asyncio.current_task():  # that sees it by itself
            coming.task.cancel()

    async def _read(
        self, chunks: AsyncIterable[bytes], announced: int | None, came: list[bytes], coming: Coming
    ) -> int:
        """How many bytes came: up to the end, or over what may come."""
        length = 0
        async for chunk in chunks:
            came.append(chunk)
            length += len(chunk)
            self._hold(len(chunk))
            if coming.ended is not None:
                raise asyncio.CancelledError
            if length == announced or length > self._max_bytes:
                break
        return length

    def _whole(self, came: list[bytes], length: int, announced: int | None) -> Body:
        if length > self._max_bytes:
            return Body(length, Missing(BlockingIOError("too large")))
        if announced is not None and length < announced:
            return Body(announced, Missing(ConnectionError("the client went away")))
        return Body(length, BytesIO(b"".join(came)), length)

    def release(self, body: Body) -> None:
        self._held -= body.held

    def leave(self) -> None:
        """The process is to end: what is not there soon is given up."""
        self._leaving = True
        self._timeout_s = min(self._timeout_s, LEAVE_S)
        loop = asyncio.get_running_loop()
        by = loop.time() + LEAVE_S
        for coming in self._coming:
            coming.until = min(coming.until, by)
        loop.call_at(by, self._end_late, loop)

    def _hold(self, size: int) -> None:
        self._held += size
        if self._held > self._room_bytes and self._coming:
            self._end(next(iter(self._coming)), BlockingIOError("given up"))
