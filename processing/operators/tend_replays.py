"""Replay runs, as the worker takes them further, and looks what became of their events."""

from __future__ import annotations

import threading
import time

from processing.operators import replay_runs
from processing.postgres.replay_runs import runs_not_over

SECONDS = 1.5  # of each run of the task, which beat starts every two
MOST = 1_000  # runs that are looked at

_only_one = threading.Lock()
_tries = replay_runs.Tries()
_last = 0  # the run that had its turn last, in this process; one that fails comes last the next time


def tend_replays() -> None:
    """Take the runs that are not over further, in turn, a step of each at least."""
    global _last
    if not _only_one.acquire(blocking=False):
        return  # the worker's other threads are for everybody's events
    try:
        until = time.monotonic() + SECONDS
        for run in sorted(runs_not_over(MOST), key=lambda run: (run <= _last, run)):
            _last = run
            _tend(run, until)
            if time.monotonic() >= until:
                return
    finally:
        _only_one.release()


def _tend(run: int, until: float) -> None:
    replay_runs.look(run)
    while (step := replay_runs.take_step(run)) is not None and not step.busy:
        replay_runs.follow(step)
        _tries.make(step.effects.due)
        if time.monotonic() >= until:
            return
    while replay_runs.look(run) and time.monotonic() < until:
        pass
