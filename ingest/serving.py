"""What a web process does beside its requests, whichever server runs it: it says that it goes on, counts what waits,
and knows the lag and what the topic takes."""

from __future__ import annotations

from typing import Any

from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_started

from ingest.publishing import backpressure, event_limit
from ingest.publishing.per_process import PerProcess
from processing.background.heartbeat import Heartbeat
from processing.background.state import keep_counting
from processing.domain.process import take_role


def start(**_: Any) -> None:
    """The first call in a process does it."""
    _started.get()


def start_with_first_request() -> None:
    """Not with those of a test's client, whose database is to go."""
    for handler in (WSGIHandler, ASGIHandler):
        request_started.connect(start, sender=handler)


def _start() -> bool:
    take_role("web")
    Heartbeat().start().end_with_process()
    keep_counting()
    backpressure.start()
    event_limit.start()
    return True


_started = PerProcess(_start)
