"""Kinds that are set aside, as the worker tends them: also where no consumer runs."""

from __future__ import annotations

from processing.engine import release
from processing.engine.after_commit import after_commit
from processing.engine.set_aside import Tender

SECONDS = 1.5  # of each run of the task, which beat starts every two

_last = ""  # the kind that had its turn last, in this process


def tend_kinds() -> int:
    """Probe kinds that are stopped, and drain those that may go on. Returns how many events were tried."""
    global _last
    tried = 0
    tender = Tender(last=_last)
    for result in tender.tend(SECONDS):
        tried += after_commit(result)
        tried += release.release_all(result.ready)
    _last = tender.last
    return tried
