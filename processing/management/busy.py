"""How Python is set in a process that reads without pause in one thread, and stores and publishes in others."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

GC_THRESHOLD = 50_000  # objects that are new
# Reading keeps Python busy; a stage that has its answer from Postgres waits so long for its turn, after each statement.
SWITCH_S = 0.0005


@contextmanager
def busy() -> Iterator[None]:
    """Events make many objects and no cycles: looking for those as often as usual takes a third of the time.

    What the start has made stays, and is never looked through.
    """
    threshold, interval = gc.get_threshold(), sys.getswitchinterval()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, *threshold[1:])
    sys.setswitchinterval(SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        gc.set_threshold(*threshold)
        gc.unfreeze()
