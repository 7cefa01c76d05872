"""Which lines may be sent now: no line of a user before that user's earlier lines have their answer."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence

from ingest.files.send.lines import Line


class Schedule:
    """Lines that wait. Each user has at most one line under way; times are those of the caller's clock, in seconds."""

    def __init__(self) -> None:
        self.waiting = 0  # lines not yet final, those under way included
        self._lines: dict[str, deque[Line]] = {}
        self._ready: deque[str] = deque()
        self._later: list[tuple[float, str]] = []  # a heap

    def add(self, line: Line) -> None:
        self.waiting += 1
        queue = self._lines.get(line.user)
        if queue is None:
            self._lines[line.user] = deque([line])
            self._ready.append(line.user)
        else:
            queue.append(line)

    def take(self, count: int, now: float) -> list[Line]:
        """Up to so many lines that may go now, each of another user: under way until `finish` or `put_back`."""
        while self._later and self._later[0][0] <= now:
            self._ready.append(heapq.heappop(self._later)[1])
        return [self._lines[self._ready.popleft()][0] for _ in range(min(count, len(self._ready)))]

    def finish(self, line: Line) -> None:
        """It has its final answer."""
        self.waiting -= 1
        queue = self._lines[line.user]
        queue.popleft()
        if queue:
            self._ready.append(line.user)
        else:
            del self._lines[line.user]

    def put_back(self, lines: Sequence[Line], until: float) -> None:
        """To be sent again, not before this time."""
        for line in lines:
            heapq.heappush(self._later, (until, line.user))

    def next_time(self) -> float | None:
        """When a line may go; None if none waits for a time."""
        return self._later[0][0] if self._later else None

    def has_ready(self) -> bool:
        return bool(self._ready)
