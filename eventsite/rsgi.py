"""What the web server runs for each request: the event loop reads its body, then a thread runs the WSGI application.

A body that comes slowly holds no thread.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from granian.rsgi import Headers, HTTPProtocol, Scope

from eventsite.bodies import Bodies, Body
from eventsite.threads import Threads

THREADS = 64  # a request that waits, for Kafka or in a queue, holds one
RESERVED_THREADS = 2  # of each path below, which so answers whatever the others do
RESERVED = ("/health/live", "/health/ready", "/metrics")

Environ = dict[str, Any]
Fields = dict[str, str]
Wsgi = Callable[[Environ, Callable[..., Any]], Any]


class Application:
    """An RSGI application around a WSGI one. `leave` is called once the process is asked to end."""

    def __init__(self, wsgi: Wsgi, bodies: Bodies, leave: Callable[[], None]) -> None:
        self._wsgi = wsgi
        self._bodies = bodies
        self._leave = leave
        self._threads = Threads(THREADS, "request")
        self._reserved = {path: Threads(RESERVED_THREADS, path) for path in RESERVED}

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called in the main thread, once the loop has its own handlers of signals, which stop the server."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._leaving(loop, signal.getsignal(number)))
            signal.siginterrupt(number, False)  # as the loop has set it

    def _leaving(self, loop: asyncio.AbstractEventLoop, handler: Any) -> Callable[..., None]:
        def leave(number: int, frame: object) -> None:
            self._leave()
            loop.call_soon_threadsafe(self._bodies.leave)
            handler(number, frame)

        return leave

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        fields = fields_of(scope.headers)
        body = await self._bodies.read(protocol, announced_length(fields, scope.http_version))
        threads = self._reserved.get(scope.path, self._threads)
        try:
            await threads.run(partial(self._answer, scope, fields, body, protocol))
        finally:
            self._bodies.release(body)

    def _answer(self, scope: Scope, fields: Fields, body: Body, protocol: HTTPProtocol) -> None:
        head: list[Any] = []
        environ = environ_of(scope, fields, body)
        chunks = self._wsgi(environ, lambda *status_and_headers: head.extend(status_and_headers))
        try:
            protocol.response_bytes(int(head[0][:3]), head[1], b"".join(chunks))
        finally:
            if close := getattr(chunks, "close", None):
                close()


def announced_length(fields: Fields, http_version: str) -> int | None:
    """Of the request's body; None where it has one of unknown length."""
    if "content-length" in fields:
        return int(fields["content-length"])  # the server has checked it
    return None if "transfer-encoding" in fields or http_version == "2" else 0


def environ_of(scope: Scope, fields: Fields, body: Body) -> Environ:
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
    for name, value in fields.items():
        environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
    environ["CONTENT_TYPE"] = environ.pop("HTTP_CONTENT_TYPE", "")
    environ["CONTENT_LENGTH"] = str(body.length) if body.length else ""
    environ.pop("HTTP_CONTENT_LENGTH", None)
    environ.pop("HTTP_TRANSFER_ENCODING", None)  # the body is here, whole
    return environ


def fields_of(headers: Headers) -> Fields:
    """A request's header fields, those of a name in one. What is no ASCII is there, but empty."""
    fields = dict.fromkeys(headers.keys(), "")
    for name, value in headers.items():
        separator = "; " if name == "cookie" else ","
        fields[name] = f"{fields[name]}{separator}{value}" if fields[name] else value
    # An underscore would pass for a dash: X_Forwarded_For is not what a proxy wrote.
    return {name: value for name, value in fields.items() if "_" not in name}
