"""Processes that stand still, as those of a host that is suspended."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

STANDS_WITHIN_S = 30
STANDING = {"T", "t", "Z", "X"}  # stopped, or no more


def freeze(pid: int) -> None:
    """Stop the group of processes that this one leads, and wait until each of its threads stands still.

    On a busy machine they run on for a while: a stop begins once the thread that takes the signal gets its turn.
    """
    os.killpg(pid, signal.SIGSTOP)
    until = time.monotonic() + STANDS_WITHIN_S
    while not _states(pid) <= STANDING:
        assert time.monotonic() < until, f"group {pid} does not stand still"
        time.sleep(0.001)


def thaw(pid: int) -> None:
    os.killpg(pid, signal.SIGCONT)


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    freeze(pid)
    try:
        yield
    finally:
        thaw(pid)


def _states(group: int) -> set[str]:
    """Of all threads of the group's processes, those aside that have just ended."""
    found: set[str] = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if int(_fields(stat)[2]) == group:
                for thread in stat.parent.glob("task/*/stat"):
                    with suppress(FileNotFoundError, ProcessLookupError):
                        found.add(_fields(thread)[0])
    return found


def _fields(stat: Path) -> list[str]:
    """From the state on: what stands before it is a name in brackets, of any characters."""
    return stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
