"""Kinds that are set aside: one that is stopped is probed, one that may go on is drained, in order, until it is open.

Each transaction is bounded; one process at a time drains a kind. A crash leaves the rest as it was.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import structlog
from django.conf import settings

from processing.domain.kinds import KindState
from processing.domain.outcomes import BatchResult, HotStateUpdate
from processing.domain.statuses import Status
from processing.engine import enqueue
from processing.engine.handlers import retry_policy
from processing.engine.lane_moves import as_it_stands
from processing.engine.release import release_in, retry_in
from processing.engine.turns import Turns
from processing.postgres import kinds
from processing.postgres.due import TURN_CHARS, lanes_and_ids, lock_retries
from processing.postgres.kinds import KindRow
from processing.postgres.lanes import lock_lanes, move_lanes
from processing.postgres.transaction import outcome_time, retry_transient, transaction

FIRST_ROWS = 10  # drained at first: if the handler still fails, few events have lost a try
MOST_ROWS = 1_000

T = TypeVar("T")
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Drained:
    """A step of draining a kind. `waited`: how many events had their turn. `left`: those that wait elsewhere now.

    That is in their lane, or for their retry, which is due.
    """

    result: BatchResult
    waited: int
    left: Sequence[str]


class Tender:
    """What one process does for the kinds that are not open. With `stop` it waits while Postgres is away."""

    def __init__(self, stop: threading.Event | None = None) -> None:
        self._stop = stop
        self._rows: dict[str, int] = {}  # by kind that drains, how many the next step takes

    def tend(self, seconds: float) -> Iterator[BatchResult]:
        """Probe and drain for so long at most; the caller counts the failures of each result before it goes on."""
        until = time.monotonic() + seconds
        rows = self._do(kinds.find_kinds)
        self._rows = {row.name: self._rows.get(row.name, FIRST_ROWS) for row in rows if _drains(row)}
        for row in rows:
            if row.due:
                result = self._do(partial(probe, row))
                if result is not None:
                    yield result
        for kind in list(self._rows):
            yield from self._drain(kind, until)

    def _drain(self, kind: str, until: float) -> Iterator[BatchResult]:
        """At least one step, so that each kind gets on."""
        while True:
            step = self._do(partial(drain, kind, self._rows[kind]))
            if step is None:
                return
            if not step.waited:
                if self._do(partial(kinds.open_drained, kind)):
                    log.warning("a kind of event is open again: nothing waits for it any more", kind=kind)
                return
            yield step.result
            enqueue.enqueue_now(step.left)
            self._rows[kind] = min(MOST_ROWS, 2 * self._rows[kind])
            if time.monotonic() >= until:
                return

    def _do(self, work: Callable[[], T]) -> T:
        return work() if self._stop is None else retry_transient(work, self._stop)


def probe(row: KindRow) -> BatchResult | None:
    """Try one waiting event of a stopped kind; if it is processed, or none is left to try, the kind drains.

    Several processes share one schedule, whose pauses grow as those of retries do. None if it is not time yet.
    """
    if not kinds.claim_probe(row.name, row.probes, retry_policy().delay_ms(row.probes + 2)):
        return None
    candidate = kinds.find_candidate(row.name, injected_failures=settings.FAULT_INJECTION)
    if candidate is None:
        _let_drain(row.name, "no event is left to try")
        return None
    result = _try(row.name, candidate)
    succeeded = any(o.event.id == candidate and o.status is Status.PROCESSED for o in result.outcomes)
    log.warning("tried one waiting event of a stopped kind", kind=row.name, id=candidate, succeeded=succeeded)
    if succeeded:
        _let_drain(row.name, "an event that had waited was processed")
    return result


def _let_drain(kind: str, why: str) -> None:
    if kinds.start_draining(kind, was=[KindState.STOPPED]):
        log.warning("a stopped kind goes on with what waits for it", kind=kind, why=why)


def _try(kind: str, id: str) -> BatchResult:
    with transaction() as cursor:
        turns = Turns(kinds.read_set_aside(cursor), kind, {id}, is_probe=True)
        if not kinds.is_sole_drainer(cursor, kind):
            return BatchResult(HotStateUpdate())
        users, free = lanes_and_ids([id])
        return release_in(cursor, lock_lanes(cursor, users), turns) if users else retry_in(cursor, free, turns)


def drain(kind: str, rows: int) -> Drained | None:
    """Let the events that have waited longest for a kind have their turn; None if it does not drain, or another process
    drains it."""
    with transaction() as cursor:
        set_aside = kinds.read_set_aside(cursor)
        if set_aside.states.get(kind) is not KindState.DRAINING or not kinds.is_sole_drainer(cursor, kind):
            return None
        ids = kinds.first_waiting(cursor, kind, rows, TURN_CHARS)
        turns = Turns(set_aside, kind, frozenset(ids))
        users, free = lanes_and_ids(ids)
        lanes = lock_lanes(cursor, users)
        turns.take_free(lock_retries(cursor, free, ()))
        result = release_in(cursor, lanes, turns)
        done = {outcome.event.id for outcome in result.outcomes} | {change.id for change in turns.changes}
        left = [id for id in ids if id not in done]
        if left:
            kinds.let_go(cursor, kind, left)
            lanes = lock_lanes(cursor, lanes_and_ids(left)[0])  # as they are now: their fronts may be among these
            move_lanes(cursor, [as_it_stands(lane) for lane in lanes.values()], outcome_time(cursor))
    return Drained(result, len(ids), left)


def _drains(row: KindRow) -> bool:
    return row.state is KindState.DRAINING
