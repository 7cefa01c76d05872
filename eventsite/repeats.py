"""Repeated log lines: what says the same as a line just before is counted, and told as one line with the count.

The first is told at once. While it goes on, one is told after a pause, each time twice as long, with how many were held
back (`repeated`). Lines below WARNING are no trouble, and each is told.
"""

from __future__ import annotations

import copy
import logging
import re
import sys
import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TextIO

FIRST_PAUSE_S, LONGEST_PAUSE_S = 10.0, 300.0
TEXTS = ("event", "error", "why")  # written by people and libraries: a number in them makes no other line of it
PASSING = ("timestamp", "wait_s")  # says nothing of what happened
NUMBER = re.compile(r"\b(?:0x)?[0-9a-f-]*\d[0-9a-f-]*\b")  # ids and addresses too


@dataclass
class _Trouble:
    begin: float
    pause: float
    held: int = 0
    last: logging.LogRecord | None = None  # of those that were held back


class Repeats:
    """Which records are to be told, and how often each was held back since. Times are the caller's, in seconds."""

    def __init__(self, first_pause_s: float = FIRST_PAUSE_S, longest_pause_s: float = LONGEST_PAUSE_S) -> None:
        self._first_pause_s, self._longest_pause_s = first_pause_s, longest_pause_s
        self._troubles: dict[Hashable, _Trouble] = {}

    def note(self, subject: Hashable, record: logging.LogRecord, now: float) -> bool:
        """Whether it is to be told now, or held back."""
        trouble = self._troubles.get(subject)
        if trouble is None:
            self._troubles[subject] = _Trouble(now, self._first_pause_s)
            return True
        trouble.held += 1
        trouble.last = _to_keep(record)
        return False

    def over(self, now: float) -> list[tuple[logging.LogRecord, int]]:
        """The last of each that was held back and whose pause is over, with how many. What was quiet for its whole
        pause is forgotten, so that it begins anew."""
        found: list[tuple[logging.LogRecord, int]] = []
        for subject, trouble in list(self._troubles.items()):
            if now < trouble.begin + trouble.pause:
                continue
            if trouble.last is not None:
                found.append((trouble.last, trouble.held))
                trouble.begin, trouble.held, trouble.last = now, 0, None
                trouble.pause = min(self._longest_pause_s, trouble.pause * 2)
            else:
                del self._troubles[subject]
        return found


class CountingHandler(logging.StreamHandler[TextIO]):
    """Writes lines as its parent does; repeated ones with their count, at the latest at its end."""

    def __init__(self) -> None:
        super().__init__()
        self._repeats = Repeats()

    def emit(self, record: logging.LogRecord) -> None:
        now = time.monotonic()
        is_told = record.levelno < logging.WARNING or self._repeats.note(subject_of(record), record, now)
        self._tell_counts(now)
        if is_told:
            super().emit(record)

    def close(self) -> None:
        self.acquire()
        try:
            self._tell_counts(float("inf"))
        finally:
            self.release()
        super().close()

    def _tell_counts(self, now: float) -> None:
        for record, held in self._repeats.over(now):
            super().emit(_with_count(record, held))


def subject_of(record: logging.LogRecord) -> Hashable:
    """Equal for records that say the same."""
    fields: Mapping[str, object] = record.msg if isinstance(record.msg, dict) else {"event": record.getMessage()}
    said = (
        (name, NUMBER.sub("#", str(value)) if name in TEXTS else repr(value))
        for name, value in fields.items()
        if name not in PASSING
    )
    raised = sys.exc_info()[0] if record.exc_info or fields.get("exc_info") else None
    return record.name, record.levelno, raised, tuple(said)


def _to_keep(record: logging.LogRecord) -> logging.LogRecord:
    """As a text, without the traceback, which has been told: what hangs on one may be large."""
    kept = copy.copy(record)
    kept.exc_info = kept.exc_text = None
    if isinstance(record.msg, dict):  # structlog's
        kept.msg = {**record.msg, "exc_info": None}
    else:
        kept.msg, kept.args = record.getMessage(), None
    return kept


def _with_count(kept: logging.LogRecord, held: int) -> logging.LogRecord:
    if isinstance(kept.msg, dict):
        kept.msg["repeated"] = held
    else:
        kept.repeated = held
    return kept
