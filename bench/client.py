"""A sender that costs next to nothing: requests made beforehand, connections that stay open, one thread, no library.

`python -m bench.client PORT CONNECTIONS` reads the requests (pickled bytes) from stdin, opens its connections, says
`ready`, waits for a line, sends, and prints what it `Sent`.
"""

from __future__ import annotations

import json
import pickle
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Self

from bench.processes import RunFailed
from bench.revisions import ROOT

TIMEOUT_S = 60
RECEIVE = 262_144


@dataclass(frozen=True)
class Sent:
    """`accepted` events; CPU seconds of the sender; how long each answer took."""

    accepted: int
    cpu_s: float
    answers_s: list[float]


def post(path: str, body: bytes) -> bytes:
    """The bytes of a request."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


class Sender:
    """The sender's process, from the side that started it; a context manager. The requests hold so many `events`."""

    def __init__(self, port: int, requests: Sequence[bytes], connections: int, events: int) -> None:
        self._events = events
        command = [sys.executable, "-m", "bench.client", str(port), str(connections)]
        self._child = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._in, self._out = self._child.stdin, self._child.stdout
        pickle.dump(list(requests), self._in)
        self._in.flush()
        if self._out.readline() != b"ready\n":
            raise RunFailed(f"the sender ended with status {self._child.wait(TIMEOUT_S)}")

    def send(self) -> Sent:
        """Raises `RunFailed` unless every answer was 202 and every event accepted."""
        self._in.write(b"go\n")
        self._in.flush()
        answer = self._out.read()
        if status := self._child.wait(TIMEOUT_S):
            raise RunFailed(f"the sender ended with status {status}: what it met stands above")
        sent = Sent(**json.loads(answer))
        if sent.accepted != self._events:
            raise RunFailed(f"LOST: {sent.accepted} of {self._events} events were accepted")
        return sent

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.kill()
        self._child.communicate()


class _Connection:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answer = b""
        self._sent_at = 0.0

    def send(self, request: bytes) -> None:
        self._answer = b""
        self._sent_at = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> tuple[int, float] | None:
        """How many events were accepted, and after how many seconds; None while a part of the answer is missing."""
        part = self.socket.recv(RECEIVE)
        if not part:
            raise ConnectionError("the server closed the connection")
        self._answer += part
        head, end, body = self._answer.partition(b"\r\n\r\n")
        if not end or len(body) < _length(head):
            return None
        if head.split(b" ", 2)[1] != b"202":
            raise ValueError(f"not accepted: {self._answer[:1000].decode(errors='replace')}")
        return body.count(b'"accepted"'), time.perf_counter() - self._sent_at


def _length(head: bytes) -> int:
    lines = head.lower().split(b"\r\n")
    return next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:"))


def _send_all(connections: Sequence[_Connection], requests: Iterator[bytes]) -> Sent:
    """A connection takes the next request as soon as it has its answer."""
    started = time.process_time()
    accepted, answers_s = 0, []
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            if request := next(requests, b""):
                selector.register(connection.socket, selectors.EVENT_READ, connection)
                connection.send(request)
        while selector.get_map():
            ready = selector.select(TIMEOUT_S)
            if not ready:
                raise TimeoutError(f"no answer within {TIMEOUT_S} s")
            for key, _ in ready:
                if (answer := key.data.receive()) is None:
                    continue
                accepted += answer[0]
                answers_s.append(answer[1])
                if request := next(requests, b""):
                    key.data.send(request)
                else:
                    selector.unregister(key.fileobj)
    return Sent(accepted, time.process_time() - started, answers_s)


def main() -> None:
    port, count = (int(argument) for argument in sys.argv[1:])
    requests: list[bytes] = pickle.load(sys.stdin.buffer)
    connections = [_Connection(port) for _ in range(count)]
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(asdict(_send_all(connections, iter(requests)))))


if __name__ == "__main__":
    main()
