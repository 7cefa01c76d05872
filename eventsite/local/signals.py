"""How often we were asked to end."""

from __future__ import annotations

import signal
from types import FrameType


class StopRequests:
    """Counts SIGINT, SIGTERM and SIGHUP: the first asks for an orderly end, the second hurries, the third kills."""

    def __init__(self) -> None:
        self.count = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.count += 1

    def hurried(self) -> bool:
        return self.count > 1

    def killing(self) -> bool:
        return self.count > 2
