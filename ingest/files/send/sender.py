"""Sending a file's lines: several requests at once, waiting as the server says."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import msgspec

from ingest.files.lines import BadLine
from ingest.files.send.client import FINAL, Answer, Client, NotTaken, Rejected, Unreachable
from ingest.files.send.lines import Line
from ingest.files.send.schedule import Schedule

LINES_PER_REQUEST = 500
BYTES_PER_REQUEST = 2**20
LOOK_AHEAD_LINES = 20_000  # enough other users beside one whose lines have to wait
LOOK_AHEAD_BYTES = 32 * 2**20
UNREACHABLE_WAIT_S = 1.0
IN_BATCH = re.compile(r"^events\[\d+\](\.|: )?")  # where it stood in its request: of no use to who has the file


@dataclass
class Report:
    """What became of the lines so far."""

    accepted: int = 0
    duplicates: int = 0
    refused: int = 0


@dataclass
class Sender:
    """One run over a file. `tell` is called with number and reason of each line that cannot be used.

    `advance` is called with the bytes of the file that are done,
    `wait_for` with what the lines wait for. Raises `Rejected`, and `Unreachable` when the server
    has not answered for `patience_s`.
    """

    client: Client
    tell: Callable[[int, str], None]
    advance: Callable[[int], None]
    wait_for: Callable[[str], object]
    concurrency: int = 4
    lines_per_request: int = LINES_PER_REQUEST
    rate: float = 0  # lines a second; 0: as fast as it goes
    patience_s: float = 60
    report: Report = field(default_factory=Report)

    def send(self, lines: Iterator[Line | BadLine]) -> None:
        self._lines = lines
        self._schedule = Schedule()
        self._held_bytes = 0
        self._ended = False
        self._alone: set[int] = set()  # numbers of lines to be sent one by one, since their request was not taken
        self._paced_until = time.monotonic()
        self._asked_since: float | None = None  # without an answer
        under_way: dict[Future[Answer], Sequence[Line]] = {}
        with ThreadPoolExecutor(self.concurrency) as pool:
            while True:
                self._fill()
                while len(under_way) < self.concurrency and (batch := self._next_batch()):
                    under_way[pool.submit(self.client.send, batch)] = batch
                    if self._asked_since is None:
                        self._asked_since = time.monotonic()
                if not self._schedule.waiting and self._ended:
                    return
                if under_way:
                    pause = self._pause() if len(under_way) < self.concurrency else None
                    for future in wait(under_way, pause, FIRST_COMPLETED).done:
                        self._settle(under_way.pop(future), future)
                else:
                    time.sleep(self._pause() or 0)

    def _fill(self) -> None:
        """Read on, as far as may be held in memory."""
        while not self._ended and self._schedule.waiting < LOOK_AHEAD_LINES and self._held_bytes < LOOK_AHEAD_BYTES:
            line = next(self._lines, None)
            if line is None:
                self._ended = True
            elif isinstance(line, BadLine):
                self._refuse(line.number, line.reason, line.size)
            else:
                self._held_bytes += line.size
                self._schedule.add(line)

    def _next_batch(self) -> list[Line]:
        now = time.monotonic()
        if now < self._paced_until:
            return []
        count = self.lines_per_request if not self.rate else max(1, min(self.lines_per_request, int(self.rate / 10)))
        taken = self._schedule.take(count, now)
        batch = _within_bytes(taken, self._alone)
        self._schedule.put_back(taken[len(batch) :], now)
        if self.rate:
            self._paced_until = now + len(batch) / self.rate
        return batch

    def _pause(self) -> float | None:
        """How long until something can be sent for which no answer has to come first; None: nothing can."""
        now = time.monotonic()
        at = now if self._schedule.has_ready() else self._schedule.next_time()
        return None if at is None else max(0.0, at - now, self._paced_until - now)

    def _settle(self, batch: Sequence[Line], future: Future[Answer]) -> None:
        now = time.monotonic()
        try:
            answer = future.result()
        except Unreachable as error:
            if self._asked_since is not None and now - self._asked_since > self.patience_s:
                raise Unreachable(f"no answer for {self.patience_s:.0f} s ({error})") from error
            self.wait_for(str(error))
            self._schedule.put_back(batch, now + UNREACHABLE_WAIT_S)
            return
        except NotTaken as error:
            self._asked_since = None
            self._not_taken(batch, str(error), now)
            return
        self._asked_since = None
        self.wait_for(answer.waits_for)
        for line, result in zip(batch, answer.results, strict=True):
            if result["status"] in FINAL:
                self._final(line, result)
            else:
                self._schedule.put_back([line], now + answer.wait_s)

    def _not_taken(self, batch: Sequence[Line], reason: str, now: float) -> None:
        if len(batch) == 1:
            self._done(batch[0])
            self._refuse(batch[0].number, reason, batch[0].size)
            return
        self._alone.update(line.number for line in batch)
        self._schedule.put_back(batch, now)

    def _final(self, line: Line, result: dict[str, str]) -> None:
        self._done(line)
        if result["status"] == "accepted":
            self.report.accepted += 1
        elif result["status"] == "duplicate":
            self.report.duplicates += 1
        else:
            error = IN_BATCH.sub("", result.get("error", result["status"]))
            self._refuse(line.number, line.in_its_words(error), line.size)
            return
        self.advance(line.size)

    def _done(self, line: Line) -> None:
        self._held_bytes -= line.size
        self._alone.discard(line.number)
        self._schedule.finish(line)

    def _refuse(self, number: int, reason: str, size: int) -> None:
        self.report.refused += 1
        self.tell(number, reason)
        self.advance(size)


def _within_bytes(lines: Sequence[Line], alone: set[int]) -> list[Line]:
    """The first lines that fit into a request; one of those that go alone has a request of its own."""
    batch: list[Line] = []
    size = 0
    for line in lines:
        size += len(msgspec.json.encode(line.event)) if line.size > BYTES_PER_REQUEST // 100 else line.size
        if batch and (size > BYTES_PER_REQUEST or line.number in alone):
            break
        batch.append(line)
        if line.number in alone:
            break
    return batch


__all__ = ["LINES_PER_REQUEST", "Rejected", "Report", "Sender", "Unreachable"]
