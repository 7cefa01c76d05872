"""A client that sends just the bytes it is told to, and no more."""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from types import TracebackType
from typing import Any, Self

ANSWER_S = 60
MOMENT_S = 0.3


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """To a web server on this machine; a context manager."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), ANSWER_S)
        self._received = b""

    def send(self, method: str, path: str, *lines: str, body: bytes = b"") -> Self:
        """A request of these header lines, and as much of its body as this."""
        head = "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""])
        self.socket.sendall(head.encode("latin-1") + body)
        return self

    def receive(self) -> Answer:
        """The next answer, whole."""
        while b"\r\n\r\n" not in self._received:
            self._more()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        status, _, fields = head.partition(b"\r\n")
        headers = {name.lower(): value for name, value in BytesHeaderParser().parsebytes(fields).items()}
        length = int(headers.get("content-length", 0))
        while len(self._received) < length:
            self._more()
        body, self._received = self._received[:length], self._received[length:]
        return Answer(int(status.split(b" ")[1]), headers, body)

    def has_answer(self) -> bool:
        """Whether there is one to receive, or comes in a moment."""
        return bool(answered([self]))

    def is_closed(self) -> bool:
        """Whether the server closes it, which is waited for."""
        try:
            return not self.socket.recv(1)
        except ConnectionError:
            return True

    def _more(self) -> None:
        part = self.socket.recv(65_536)
        if not part:
            raise ConnectionError(f"the server closed the connection after {self._received!r}")
        self._received += part

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()


def answered(connections: Sequence[Connection]) -> list[Connection]:
    """Those that have an answer, or get one in a moment."""
    waiting = {each.socket: each for each in connections}
    readable, _, _ = select.select([*waiting], [], [], MOMENT_S)
    return [waiting[each] for each in readable]


HOST = "Host: localhost"
JSON = "Content-Type: application/json"


def ask(port: int, path: str, *lines: str) -> Answer:
    with Connection(port) as connection:
        return connection.send("GET", path, *(lines or (HOST,))).receive()


def post(port: int, path: str, content: object) -> Answer:
    body = json.dumps(content).encode()
    with Connection(port) as connection:
        return connection.send("POST", path, HOST, JSON, f"Content-Length: {len(body)}", body=body).receive()
