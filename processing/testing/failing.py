"""A handler that fails for a test, in the place of the real one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace as changed

from processing.domain.envelope import Event
from processing.domain.families import Family, Handler, replace


class AskedForError(Exception):
    """`fail_once` asked for it."""


class FailingOnce:
    """Fails on the first event that it gets, until that has been run alone: then the engine counts it as a try."""

    def __init__(self, handler: Handler, error: Exception | None) -> None:
        self._handler = handler
        self._error = error or AskedForError("fail_once asked for this failure")
        self._guilty: str | None = None
        self._failed = False

    def __call__(self, events: Sequence[Event]) -> None:
        self._handler(events)
        if self._failed:
            return
        self._guilty = self._guilty or events[0].id
        if any(event.id == self._guilty for event in events):
            self._failed = len(events) == 1
            raise self._error


def put_handler(kind: Family, handler: Handler) -> Family:
    """The kind, as it is known from now on."""
    new = changed(kind, handler=handler)
    replace(kind, new)
    return new
