"""`make dev`: notice that code has changed."""

from __future__ import annotations

import threading
from collections.abc import Collection
from pathlib import Path

from watchfiles import PythonFilter, watch

SUFFIXES = (".lua",)  # beside Python's own


class CodeChanges:
    """Watches these folders from a thread of its own, until the process ends."""

    def __init__(self, folders: Collection[Path]) -> None:
        self._folders = folders
        self._changed = threading.Event()
        threading.Thread(target=self._watch, name="code changes", daemon=True).start()

    def any_since(self) -> bool:
        """Whether a file has changed since the last call."""
        changed = self._changed.is_set()
        self._changed.clear()
        return changed

    def _watch(self) -> None:
        for _ in watch(*self._folders, watch_filter=PythonFilter(extra_extensions=SUFFIXES), raise_interrupt=False):
            self._changed.set()
