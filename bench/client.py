"""A client that costs next to nothing: requests made beforehand, a socket and a thread for each sender."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

TIMEOUT_S = 60


def request(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def send_all(port: int, requests: Sequence[bytes], senders: int) -> float:
    """Send these from so many connections at once; returns the seconds. Any answer but 202 is an error."""
    shares = [requests[number::senders] for number in range(senders)]
    started = time.perf_counter()
    with ThreadPoolExecutor(senders) as pool:
        for done in [pool.submit(_send, port, share) for share in shares]:
            done.result()
    return time.perf_counter() - started


def _send(port: int, requests: Sequence[bytes]) -> None:
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for each in requests:
            connection.sendall(each)
            _expect_accepted(connection)


def _expect_accepted(connection: socket.socket) -> None:
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += _receive(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:"))
    while len(body) < length:
        body += _receive(connection)
    if b" 202 " not in lines[0] + b" ":
        raise RuntimeError(f"not accepted: {lines[0].decode()} {body[:500].decode(errors='replace')}")


def _receive(connection: socket.socket) -> bytes:
    part = connection.recv(262_144)
    if not part:
        raise ConnectionError("the server closed the connection")
    return part
