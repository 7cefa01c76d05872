"""`/health/live`, `/health/ready` and `/metrics` of a process that serves nothing else."""

from __future__ import annotations

import errno
import json
import socket
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from processing.health.readiness import Readiness

PORTS_TRIED = 20
REQUEST_TIMEOUT_S = 5
JSON, PROBLEM = "application/json", "application/problem+json"

log = structlog.get_logger(__name__)

Answer = tuple[HTTPStatus, str, bytes]  # with its content type


def serve(host: str, first_port: int, readiness: Callable[[], Readiness]) -> ThreadingHTTPServer | None:
    """Serve on this port, or the next that is free, in threads that end with the process. None: on no port at all."""
    for port in range(first_port, min(first_port + PORTS_TRIED, 65_536)):
        try:
            server = _Server(host, port, readiness)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                log.warning("METRICS_PORT cannot be listened on", host=host, port=port, error=error.strerror)
                return None
            log.warning("METRICS_PORT is taken, trying the next", host=host, port=port)
        else:
            Thread(target=server.serve_forever, name="metrics", daemon=True).start()
            log.info("serving health and metrics", host=host, port=port)
            return server
    log.warning("health and metrics are not served: no port is free", host=host, first=first_port, tried=PORTS_TRIED)
    return None


def answer(path: str, readiness: Callable[[], Readiness]) -> Answer:
    """To a GET."""
    match path.partition("?")[0]:
        case "/health/live":
            return _ok({"status": "live"})
        case "/health/ready":
            found = readiness()
            if found.failing:
                return _problem(HTTPStatus.SERVICE_UNAVAILABLE, found.error(), **found.members())
            return _ok({"status": "ready", **found.members()})
        case "/metrics":
            return HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest()
    return _problem(HTTPStatus.NOT_FOUND, "here are /health/live, /health/ready and /metrics")


def _ok(body: dict[str, Any]) -> Answer:
    return HTTPStatus.OK, JSON, json.dumps(body).encode()


def _problem(status: HTTPStatus, error: str, **more: Any) -> Answer:
    """In the form of the web's problems."""
    body = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": error,
        "error": error,
        "errors": [{"path": "", "message": error}],
    }
    return status, PROBLEM, json.dumps(body | more).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, host: str, port: int, readiness: Callable[[], Readiness]) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.readiness = readiness
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Not HTTPServer's, which looks up the host's name."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = self.socket.getsockname()[:2]

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.info("a request for health or metrics was not answered", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = REQUEST_TIMEOUT_S

    def do_GET(self) -> None:
        status, content_type, body = answer(self.path, self.server.readiness)
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: these are asked every few seconds."""
