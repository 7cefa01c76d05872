"""What the web server runs for each request: the event loop reads its body, then a thread runs the WSGI application.

A body that comes slowly holds no thread.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from granian.rsgi import HTTPProtocol, Scope

from eventsite.bodies import Bodies, Body

THREADS = 64  # a request that waits, for Kafka or in a queue, holds one
RESERVED_THREADS = 2  # of each path below, which so answers whatever the others do
RESERVED = ("/health/live", "/health/ready", "/metrics")

Environ = dict[str, Any]
Wsgi = Callable[[Environ, Callable[..., Any]], Any]


class Application:
    """An RSGI application around a WSGI one. `leave` is called once the process is asked to end."""

    def __init__(self, wsgi: Wsgi, bodies: Bodies, leave: Callable[[], None]) -> None:
        self._wsgi = wsgi
        self._bodies = bodies
        self._leave = leave
        self._threads = ThreadPoolExecutor(THREADS, "request")
        self._reserved = {path: ThreadPoolExecutor(RESERVED_THREADS, path) for path in RESERVED}

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called in the main thread, once the server has set its own handlers of signals.

        The loop learns of a signal by another way than Python's handlers, so that these do not replace the server's.
        """

        def leave(*_: object) -> None:
            self._leave()
            loop.call_soon_threadsafe(self._bodies.leave)

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, leave)
            signal.siginterrupt(number, False)

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        body = await self._bodies.read(protocol, announced_length(scope))
        threads = self._reserved.get(scope.path, self._threads)
        try:
            await asyncio.get_running_loop().run_in_executor(threads, self._answer, scope, body, protocol)
        finally:
            self._bodies.release(body)

    def _answer(self, scope: Scope, body: Body, protocol: HTTPProtocol) -> None:
        head: list[Any] = []
        chunks = self._wsgi(environ_of(scope, body), lambda *status_and_headers: head.extend(status_and_headers))
        try:
            protocol.response_bytes(int(head[0][:3]), head[1], b"".join(chunks))
        finally:
            if close := getattr(chunks, "close", None):
                close()


def announced_length(scope: Scope) -> int | None:
    """Of the request's body; None where it has one of unknown length."""
    headers = scope.headers
    if (length := headers.get("content-length")) is not None:
        return int(length)  # the server has checked it
    return None if "transfer-encoding" in headers or scope.http_version == "2" else 0


def environ_of(scope: Scope, body: Body) -> Environ:
    """The WSGI environment (PEP 3333)."""
    server, _, port = scope.server.rpartition(":")
    environ = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": server.strip("[]"),
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": body.stream,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if scope.authority:
        environ["HTTP_HOST"] = scope.authority
    for name, value in fields_of(scope).items():
        environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
    environ["CONTENT_TYPE"] = environ.pop("HTTP_CONTENT_TYPE", "")
    environ["CONTENT_LENGTH"] = str(body.length) if body.length else ""
    environ.pop("HTTP_CONTENT_LENGTH", None)
    environ.pop("HTTP_TRANSFER_ENCODING", None)  # the body is here, whole
    return environ


def fields_of(scope: Scope) -> dict[str, str]:
    """The request's header fields, those of a name in one. What is no ASCII is there, but empty."""
    fields = dict.fromkeys(scope.headers.keys(), "")
    for name, value in scope.headers.items():
        separator = "; " if name == "cookie" else ","
        fields[name] = f"{fields[name]}{separator}{value}" if fields[name] else value
    # An underscore would pass for a dash: X_Forwarded_For is not what a proxy wrote.
    return {name: value for name, value in fields.items() if "_" not in name}
