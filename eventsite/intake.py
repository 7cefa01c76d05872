"""Requests that bring events, taken in the event loop: one that waits for Kafka holds no thread meanwhile.

Of Django and DRF they need the view's `take` alone; what a browser sends goes through the middleware all the same.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, TypeVar

from django.core.exceptions import DisallowedHost
from django.db import close_old_connections
from django.http import HttpRequest
from django.urls import Resolver404, get_resolver, resolve

from eventsite.request import Request
from eventsite.threads import CallsInLoop, Threads
from ingest.http.problems import refused_host
from ingest.publishing.batcher import gate
from ingest.publishing.submission import Outcome, Submission
from ingest.views import IngestView

LARGE_BYTES = 128 * 2**10  # more takes over 10 ms to parse, and the loop has others to see to
NOT_HERE = frozenset({"origin", "content-encoding"})  # a browser needs middleware; what is small may unfold to much
LOOK_S = 0.1  # so often it is looked who has waited for long enough
HEADERS = [("X-Content-Type-Options", "nosniff")]

T = TypeVar("T")
Answered = tuple[int, list[tuple[str, str]], bytes]


class InLoop:
    """How work waits in an event loop (see `ingest.publishing.waiting`): a call that blocks is made by a thread."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._done = CallsInLoop()
        self._waiting: dict[asyncio.Future[None], Submission] = {}
        self._looking = False

    async def call(self, blocking: Callable[[], T]) -> T:
        return await self._threads.run(partial(_call, blocking))

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def submit(self, submission: Submission) -> list[Outcome]:
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        self._waiting[done] = submission
        if not self._looking:
            self._look(loop)
        try:
            gate().put(submission, partial(self._done.hand, loop, partial(_end, done)))
            await done
        finally:
            del self._waiting[done]
        return gate().outcomes(submission)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Again and again, while anybody waits."""
        now = time.monotonic()
        for done, submission in self._waiting.items():
            if gate().deadline(submission.deadline) <= now:
                _end(done)
        self._looking = bool(self._waiting)
        if self._looking:
            loop.call_later(LOOK_S, self._look, loop)


def _call(blocking: Callable[[], T]) -> T:
    try:
        return blocking()
    finally:
        close_old_connections()


def _end(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)


class Intake:
    """The door's side of the event loop. Imports all that the site's addresses lead to: no request waits for that."""

    def __init__(self, threads: Threads) -> None:
        self._waiting = InLoop(threads)
        get_resolver().url_patterns  # noqa: B018 - read for the first time here

    def view(self, method: str, path: str, fields: Mapping[str, str], length: int) -> IngestView | None:
        """The view that takes this request in the loop; None: it is Django's, in a thread."""
        if method != "POST" or length > LARGE_BYTES or not NOT_HERE.isdisjoint(fields):
            return None
        make = _view_at(path)
        return None if make is None else make()

    async def take(self, view: IngestView, environ: dict[str, Any]) -> Answered:
        if _is_ours(environ.get("HTTP_HOST", environ["SERVER_NAME"])):
            answer = await view.take(Request(environ), self._waiting)
        else:
            answer = refused_host().answer()
        headers = [("Content-Type", answer.media_type), *answer.headers.items(), *HEADERS]
        return answer.status, headers, answer.content()


@lru_cache(maxsize=64)
def _is_ours(host: str) -> bool:
    request = HttpRequest()
    request.META["HTTP_HOST"] = host
    try:
        request.get_host()
    except DisallowedHost:
        return False
    return True


@lru_cache(maxsize=256)
def _view_at(path: str) -> Callable[[], IngestView] | None:
    try:
        view: Any = resolve(path).func
    except Resolver404:
        return None
    kind = getattr(view, "cls", None)
    if not isinstance(kind, type) or not issubclass(kind, IngestView):
        return None
    return partial(kind, **view.initkwargs)
