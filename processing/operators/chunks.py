"""What every operator action shares: its transactions, its refusals, and what follows each commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TypeVar

import structlog

from processing import metrics
from processing.domain.outcomes import BatchResult, HotStateUpdate
from processing.domain.tally import Tally
from processing.engine import enqueue
from processing.engine.after_commit import publish
from processing.postgres.operator_records import states
from processing.postgres.transaction import Cursor, retry_transient

CHUNK = 500  # events of one transaction, at most
PATIENCE_S = 10  # how long an action waits while the database cannot serve it

T = TypeVar("T")
log = structlog.get_logger(__name__)


class Refused(Exception):
    """Why an operator's action was not done, in one line."""


@dataclass
class Result:
    """What an action did: by id what became of the event, and why others were left as they are."""

    done: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


@dataclass
class Effects:
    """What one transaction of an action did, for what follows its commit. All of it is in rows too."""

    done: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    refresh: list[str] = field(default_factory=list)  # ids whose hot state changes
    due: list[str] = field(default_factory=list)  # ids that can be tried now
    outbox_id: int | None = None
    tally: Tally = field(default_factory=Counter)


def run_chunks(work: Iterable[Sequence[T]], act: Callable[[Sequence[T]], Effects]) -> Result:
    """Do `act`, a transaction, for each chunk, and after each commit what follows it.

    Raises `StoppedError` when transient errors last for `PATIENCE_S`; chunks done before stay done.
    """
    result = Result()
    for chunk in work:
        effects = while_patient(partial(act, chunk))
        metrics.count_tally(effects.tally)
        publish(BatchResult(HotStateUpdate(refresh=effects.refresh, outbox_id=effects.outbox_id)))
        enqueue.enqueue_now(effects.due)
        result.done.update(effects.done)
        result.refused.update(effects.refused)
    return result


def why_not(cursor: Cursor, ids: Collection[str], *, wanted: str) -> dict[str, str]:
    """By id of an event that could not be claimed: what it is instead."""
    if not ids:
        return {}
    reasons = dict.fromkeys(sorted(ids), f"{wanted}: the inbox does not have it")
    for id, (status, discarded_at) in states(cursor, ids).items():
        now = f"was discarded at {discarded_at:%Y-%m-%d %H:%M:%S} UTC" if discarded_at else f"is {status}"
        reasons[id] = f"{wanted}: it {now}"
    return reasons


def chunks(items: Collection[T], size: int) -> Iterator[Sequence[T]]:
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def while_patient(work: Callable[[], T]) -> T:
    """Do it, a transaction, again after transient errors. Raises `StoppedError` after `PATIENCE_S`."""
    return retry_transient(work, patience_s=PATIENCE_S)
