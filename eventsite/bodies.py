"""Bodies of requests, read in the event loop: each by a deadline, all of them within a bound on memory.

The application finds out when it reads a body that is not there: by TimeoutError (it did not come in time),
BlockingIOError (the server could not wait for it), ConnectionError (the client went away).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
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
        self._coming: dict[asyncio.Timeout, None] = {}  # the oldest first

    async def read(self, chunks: AsyncIterable[bytes], announced: int | None) -> Body:
        """`announced`: its length, where the client told it; such a body is too large before any of it is read."""
        if announced == 0:
            return Body(0, BytesIO())
        if announced is not None and announced > self._max_bytes:
            return Body(announced, Missing(BlockingIOError("too large")))
        came: list[bytes] = []
        body: Body | None = None
        deadline = asyncio.timeout(self._timeout_s)
        try:
            async with deadline:
                self._coming[deadline] = None
                length = await self._read(chunks, announced, came)
            body = self._whole(came, length, announced)
        except TimeoutError as error:
            given_up = self._leaving or deadline not in self._coming
            body = Body(announced or 1, Missing(BlockingIOError("given up") if given_up else error))
        finally:
            self._coming.pop(deadline, None)
            if body is None or not body.held:
                self._held -= sum(map(len, came))
        return body

    async def _read(self, chunks: AsyncIterable[bytes], announced: int | None, came: list[bytes]) -> int:
        """How many bytes came: up to the end, or over what may come."""
        length = 0
        async for chunk in chunks:
            came.append(chunk)
            length += len(chunk)
            self._hold(len(chunk))
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
        for _ in range(len(self._coming)):
            self._give_up_oldest(LEAVE_S)

    def _hold(self, size: int) -> None:
        self._held += size
        if self._held > self._room_bytes and self._coming:
            self._give_up_oldest(0.0)

    def _give_up_oldest(self, after_s: float) -> None:
        oldest = next(iter(self._coming))
        del self._coming[oldest]
        with suppress(RuntimeError):  # it has just ended
            oldest.reschedule(asyncio.get_running_loop().time() + after_s)
