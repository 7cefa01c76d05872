"""What this process is called in rows and pages, and what it last did: `consumer on host-1, process 4711`."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock

from processing.domain.failures import Cause

NEEDED = ("web", "consumer", "worker", "beat")  # one of each at least
BEHIND_S = 60.0  # what people are told of


@dataclass(frozen=True)
class PartitionLag:
    """How far behind a consumer is. `seconds`: how long ago Kafka got the first message that is not done."""

    topic: str
    partition: int
    messages: int
    seconds: float


@dataclass(frozen=True)
class LastError:
    cause: Cause
    at: datetime


Partitions = Callable[[], Sequence[PartitionLag]]

_role = "command"
_done = 0
_last_error: LastError | None = None
_lock = Lock()


def take_role(role: str) -> None:
    """Of this process and those that it forks: consumer, worker, web …"""
    global _role
    _role = role


def role() -> str:
    return _role


def process_name() -> str:
    return f"{_role} on {socket.gethostname()}, process {os.getpid()}"


def note_done(events: int) -> None:
    """So many events more were answered or brought to an outcome here."""
    global _done
    with _lock:
        _done += events


def done() -> int:
    return _done


def note_error(cause: Cause) -> None:
    """The last failure that this process met, of a handler or its own."""
    global _last_error
    _last_error = LastError(cause, datetime.now(UTC))


def last_error() -> LastError | None:
    return _last_error
