"""What the web server runs for each request: the event loop reads its body, and takes the events that are in it.

Whatever else is asked for a thread answers, by the WSGI application.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from granian.rsgi import Headers, HTTPProtocol, Scope

from eventsite.bodies import Bodies, Body
from eventsite.threads import Threads

if TYPE_CHECKING:  # it needs a Django that is set up
    from eventsite.intake import Intake

THREADS = 64  # a request that Django answers holds one
RESERVED_THREADS = 2  # of each path below, which so answers whatever the others do
RESERVED = ("/health/live", "/health/ready", "/metrics")

Environ = dict[str, Any]
Fields = dict[str, str]
Wsgi = Callable[[Environ, Callable[..., Any]], Any]


class Application:
    """An RSGI application around a WSGI one. `leave` is called once the process is asked to end."""

    def __init__(self, wsgi: Wsgi, intake: Intake, bodies: Bodies, threads: Threads, leave: Callable[[], None]) -> None:
        self._wsgi = wsgi
        self._intake = intake
        self._bodies = bodies
        self._leave = leave
        self._threads = threads
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
        try:
            if view := self._intake.view(scope.method, scope.path, fields, body.length):
                protocol.response_bytes(*await self._intake.take(view, environ_of(scope, fields, body)))
            else:
                threads = self._reserved.get(scope.path, self._threads)
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
        environ[variable(name)] = value
    environ["CONTENT_TYPE"] = environ.pop("HTTP_CONTENT_TYPE", "")
    environ["CONTENT_LENGTH"] = str(body.length) if body.length else ""
    environ.pop("HTTP_CONTENT_LENGTH", None)
    environ.pop("HTTP_TRANSFER_ENCODING", None)  # the body is here, whole
    return environ


@lru_cache(maxsize=256)
def variable(name: str) -> str:
    return f"HTTP_{name.upper().replace('-', '_')}"


def fields_of(headers: Headers) -> Fields:
    """A request's header fields, those of a name in one. What is no ASCII is there, but empty."""
    names = headers.keys()
    fields = dict.fromkeys(names, "")
    pairs = headers.items()
    if len(fields) == len(pairs) == len(names):
        fields.update(pairs)
    else:
        for name, value in pairs:
            separator = "; " if name == "cookie" else ","
            fields[name] = f"{fields[name]}{separator}{value}" if fields[name] else value
    # An underscore would pass for a dash: X_Forwarded_For is not what a proxy wrote.
    return {name: value for name, value in fields.items() if "_" not in name}
