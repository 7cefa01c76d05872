"""A TCP forwarder in front of a service, as a load balancer is: pointed elsewhere, it leaves open connections alone."""

from __future__ import annotations

import math
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK = 65_536


class Forwarder:
    """Listens on a free port of 127.0.0.1; new connections go to `target`, another port of it.

    `passes`: so many bytes of clients go through, and then none until it is closed, as if they were frozen half-way;
    `full` is set then.
    """

    def __init__(self, target: int, passes: float = math.inf) -> None:
        self.target = target
        self.full = threading.Event()
        self._passes = passes
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for each in (self._listener, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            self._open += (client, server)
            for source, sink, passes in ((client, server, self._passes), (server, client, math.inf)):
                threading.Thread(target=self._copy, args=(source, sink, passes), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket, passes: float) -> None:
        with suppress(OSError):
            while data := source.recv(int(min(CHUNK, passes))):
                sink.sendall(data)
                passes -= len(data)
                if not passes:
                    self.full.set()
                    return
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextmanager
def forwarder(target: int, passes: float = math.inf) -> Iterator[Forwarder]:
    found = Forwarder(target, passes)
    try:
        yield found
    finally:
        found.close()
