"""Clients that send their bodies a byte at a time, and begin again when the server gives them up.

`python -m bench.slow PORT COUNT` opens so many connections, says `ready` once each has sent half of a body, and goes on
until it is killed.
"""

from __future__ import annotations

import selectors
import socket
import subprocess
import sys
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

from bench.client import post
from bench.processes import RunFailed
from bench.revisions import ROOT

BYTE_EVERY_S = 1.0
BODY = b" " * 1_000
ANSWER = 65_536


class SlowClients:
    """Their process, from the side that started it; a context manager. Raises `RunFailed` if it does not start."""

    def __init__(self, port: int, count: int) -> None:
        command = [sys.executable, "-m", "bench.slow", str(port), str(count)]
        self._child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)

    def __enter__(self) -> Self:
        assert self._child.stdout is not None
        if self._child.stdout.readline() != b"ready\n":
            raise RunFailed("the slow clients ended before they were there")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.kill()
        self._child.communicate()


def _half_sent(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(post("/events", BODY)[: -len(BODY) // 2])
    connection.setblocking(False)
    return connection


def main() -> None:
    port, count = (int(argument) for argument in sys.argv[1:])
    with selectors.DefaultSelector() as selector:
        for _ in range(count):
            selector.register(_half_sent(port), selectors.EVENT_READ)
        print("ready", flush=True)
        next_at = time.monotonic() + BYTE_EVERY_S
        while True:
            for key, _ in selector.select(max(0.0, next_at - time.monotonic())):
                assert isinstance(key.fileobj, socket.socket)
                with suppress(OSError):
                    if key.fileobj.recv(ANSWER):
                        continue
                selector.unregister(key.fileobj)
                key.fileobj.close()
                selector.register(_half_sent(port), selectors.EVENT_READ)
            if time.monotonic() >= next_at:
                next_at += BYTE_EVERY_S
                for key in list(selector.get_map().values()):
                    assert isinstance(key.fileobj, socket.socket)
                    with suppress(OSError):  # it is seen above
                        key.fileobj.send(b" ")


if __name__ == "__main__":
    main()
