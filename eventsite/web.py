"""The web server: `python -m eventsite.web`. Its port, host and number of workers come from the settings."""

from __future__ import annotations

import errno
import gc
import os
import resource
import signal
import socket
import sys
from typing import Any

import structlog
from django.conf import settings
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server import Server

from eventsite.bodies import Bodies
from eventsite.commandline import require_services
from eventsite.parent import die_with_parent
from eventsite.rsgi import THREADS, Application
from eventsite.threads import Threads
from eventsite.worker_metrics import shared_metrics
from processing.management.signals import take_signals, told_to_end

log = structlog.get_logger(__name__)

STOP_WITHIN_S = 8  # requests in hand are finished; the whole has to end within 10
CONNECTIONS = 50_000  # of each worker: slow ones take memory and a file each, and nothing else
SPARE_FILES = 300  # for all that is no client's connection


def serve() -> None:
    require_services()
    require_free_port(settings.WEB_HOST, settings.WEB_PORT)
    server = Server(
        "eventsite.rsgi:Application",
        address=settings.WEB_HOST,
        port=settings.WEB_PORT,
        interface=Interfaces.RSGI,
        workers=settings.WEB_WORKERS,
        backpressure=most_connections(),
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_WITHIN_S,
        log_dictconfig=settings.LOGGING,
        log_level=LogLevels.error,
    )
    log.info("listening", host=settings.WEB_HOST, port=settings.WEB_PORT, workers=settings.WEB_WORKERS)
    server.on_startup(take_signals)  # its own handler would take the lock of a flag for which the main thread waits
    with shared_metrics(settings.WEB_WORKERS), told_to_end(server.signal_handler_interrupt):
        server.serve(target_loader=_load)


def most_connections() -> int:
    """How many clients a worker may have, within the limit on open files, which is raised as far as it may be."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = CONNECTIONS + SPARE_FILES if hard == resource.RLIM_INFINITY else min(hard, CONNECTIONS + SPARE_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return max(1, files - SPARE_FILES)


def require_free_port(host: str, port: int) -> None:
    """End the process, naming the port, if another one listens on it: the kernel would share it between the two."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = "another program listens there" if error.errno == errno.EADDRINUSE else error.strerror
            sys.exit(f"WEB_PORT={port}: cannot listen on {host}:{port}, {reason}: set WEB_PORT to a free one")


def _load(_: str) -> Any:
    """Runs in each worker."""
    die_with_parent(signal.SIGTERM)
    from eventsite import wsgi  # sets Django up
    from eventsite.intake import Intake
    from ingest import serving
    from ingest.publishing import batcher

    serving.start()
    bodies = Bodies(settings.BODY_TIMEOUT_S, settings.BODY_MAX_BYTES, room_bytes=THREADS * settings.BODY_MAX_BYTES)
    threads = Threads(THREADS, "request")
    application = Application(wsgi.application, Intake(threads), bodies, threads, batcher.leave)
    gc.freeze()  # what is there by now stays: no collection need look at it again
    return application


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "eventsite.settings")
    serve()
