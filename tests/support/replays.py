"""Replay runs without a worker: their events stay as the run leaves them, until a test has them tried."""

from __future__ import annotations

from collections.abc import Collection

from processing.domain.replays import Choice, ItemState
from processing.models import ReplayItem
from processing.operators import replay_runs
from processing.operators.chunks import Result, while_patient


def replay(*, ids: Collection[str], actor: str) -> Result:
    """A run of these, to its end."""
    return finish(replay_runs.start(Choice(ids=list(ids)), actor=actor))


def finish(run: int) -> Result:
    """Take a run further until it has nothing to do, but try none of its events."""
    while (step := while_patient(lambda: replay_runs.take_step(run))) is not None:
        replay_runs.follow(step)
    result = Result()
    for item in ReplayItem.objects.filter(run_id=run).exclude(state=ItemState.CHOSEN):
        (result.refused if item.state == ItemState.REFUSED else result.done)[item.event_id] = item.detail
    return result
