"""The file that tells other processes where a running stack's services are, and whether that stack is up.

`make run` and `make services` each keep one (`var/run.env`, `var/services.env`). Beside it lies a lock that the stack
holds while it lives: the kernel frees it however the stack ends, so a file left behind by a SIGKILL is not believed.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dotenv import dotenv_values

LOCK_ATTEMPTS = 20  # a reader that looks at the lock holds it for an instant
LOCK_RETRY_S = 0.05
PLAIN = re.compile(r"[^\s'\"]\S*")


class StackIsUp(Exception):
    """The stack that keeps this file is running already; the text is its process id, empty if it wrote none yet."""


def lock_path(path: Path) -> Path:
    return path.with_suffix(".lock")


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Own `path` while the block runs; the file is removed at the end. Raises `StackIsUp`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with lock_path(path).open("a+", encoding="ascii") as lock:
        _lock(lock.fileno(), lock_path(path))
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        path.unlink(missing_ok=True)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _lock(descriptor: int, path: Path) -> None:
    for _ in range(LOCK_ATTEMPTS):
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOCK_RETRY_S)
    raise StackIsUp(path.read_text(encoding="ascii"))


def is_up(path: Path) -> bool:
    """Whether the stack that keeps `path` is running."""
    try:
        with lock_path(path).open(encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def write(path: Path, variables: Mapping[str, str]) -> None:
    """Write KEY=VALUE lines for the owner's eyes only (the secret key is among them), all at once."""
    text = "".join(f"{name}={_quoted(value)}\n" for name, value in variables.items())
    draft = path.with_suffix(".tmp")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def _quoted(value: str) -> str:
    """As `read` understands it; what any shell and client would take as it is stays so."""
    if PLAIN.fullmatch(value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def read(path: Path) -> dict[str, str]:
    """The variables of a `.env`-like file that have a value, as they stand there; empty if there is no file."""
    return {name: value for name, value in dotenv_values(path, interpolate=False).items() if value}


def read_if_up(path: Path) -> dict[str, str]:
    """The variables of a running stack; empty if it is not up."""
    return read(path) if is_up(path) else {}
