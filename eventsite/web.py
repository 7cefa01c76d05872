"""The web server: `python -m eventsite.web`. Its port, host and number of workers come from the settings."""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

import structlog
from django.conf import settings
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server import Server

from eventsite.commandline import require_services
from eventsite.parent import die_with_parent
from eventsite.termination import on_termination
from eventsite.worker_metrics import shared_metrics

log = structlog.get_logger(__name__)

THREADS = 64  # of each worker; a request that waits, for Kafka or in a queue, holds one
STOP_WITHIN_S = 8  # requests in hand are finished; the whole has to end within 10


def serve() -> None:
    require_services()
    require_free_port(settings.WEB_HOST, settings.WEB_PORT)
    server = Server(
        "eventsite.wsgi:application",
        address=settings.WEB_HOST,
        port=settings.WEB_PORT,
        interface=Interfaces.WSGI,
        workers=settings.WEB_WORKERS,
        blocking_threads=THREADS,
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_WITHIN_S,
        log_dictconfig=settings.LOGGING,
        log_level=LogLevels.error,
    )
    log.info("listening", host=settings.WEB_HOST, port=settings.WEB_PORT, workers=settings.WEB_WORKERS)
    with shared_metrics(settings.WEB_WORKERS):
        server.serve(target_loader=_load)


def require_free_port(host: str, port: int) -> None:
    """End the process, naming the port, if another one listens on it: the kernel would share it between the two."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = "another program listens there" if error.errno == errno.EADDRINUSE else error.strerror
            sys.exit(f"WEB_PORT={port}: cannot listen on {host}:{port}, {reason}: set WEB_PORT to a free one")


def _load(_: str) -> Callable[..., Any]:
    """Runs in each worker."""
    die_with_parent(signal.SIGTERM)
    from eventsite.wsgi import application
    from ingest.publishing import batcher

    on_termination(batcher.leave)
    return application


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "eventsite.settings")
    serve()
