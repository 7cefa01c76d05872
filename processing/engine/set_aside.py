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
from processing.metrics import POSTGRES_SECONDS
from processing.postgres import kinds
from processing.postgres.due import TURN_CHARS, lanes_and_ids, lock_retries
from processing.postgres.kinds import KindRow
from processing.postgres.lanes import lock_lanes, move_lanes
from processing.postgres.transaction import outcome_time, retry_transient, transaction

FIRST_ROWS = 10  # drained at first: if the handler still fails, few events have lost a try
MOST_ROWS = 1_000
STEP_S = (
    0.1  # a step of draining takes so long at most, or fewer rows next time: batches wait for it, and for its locks
)
LOOKS = 10  # of a probe past events that their lanes hold
LOOK_S = 0.1  # between two looks for kinds that are not open, while all are: small batches follow each other faster

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
    """What one process does for the kinds that are not open. With `stop` it waits while Postgres is away.

    `last`: the kind that had its turn last.
    """

    def __init__(self, stop: threading.Event | None = None, last: str = "") -> None:
        self._stop = stop
        self._rows: dict[str, int] = {}  # by kind that drains, how many the next step takes
        self._next_look = 0.0
        self.last = last

    def tend(self, seconds: float) -> Iterator[BatchResult]:
        """Probe and drain for so long, and a step at least; the kinds in turn, so that many of them take no longer.

        The caller counts the failures of each result before it goes on.
        """
        now = time.monotonic()
        if now < self._next_look:
            return
        until = now + seconds
        rows = self._do(kinds.find_kinds)
        self._next_look = 0.0 if rows else now + LOOK_S
        self._rows = {row.name: self._rows.get(row.name, FIRST_ROWS) for row in rows if _drains(row)}
        for row in sorted(rows, key=lambda row: (row.name <= self.last, row.name)):
            if row.state is KindState.PAUSED or not (row.due or _drains(row)):
                continue
            self.last = row.name
            if _drains(row):
                yield from self._drain(row, until)
            else:
                result = self._do(partial(probe, row))
                if result is not None:
                    yield result
            if time.monotonic() >= until:
                return

    def _drain(self, row: KindRow, until: float) -> Iterator[BatchResult]:
        kind = row.name
        while True:
            started = time.monotonic()
            step = self._do(partial(drain, kind, self._rows[kind]))
            if step is None:
                return
            if not step.waited:
                if row.due and self._do(partial(kinds.open_drained, kind)):
                    log.warning("a kind of event is open again: nothing waits for it any more", kind=kind)
                return
            self._rows[kind] = next_rows(self._rows[kind], time.monotonic() - started)
            yield step.result
            enqueue.enqueue_now(step.left)
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
    candidate, all_held = _find_candidate(row.name)
    if candidate is None:
        if not all_held:
            _let_drain(row.name, "no event is left to try")
        return None
    result = _try(row.name, candidate)
    succeeded = any(o.event.id == candidate and o.status is Status.PROCESSED for o in result.outcomes)
    log.warning("tried one waiting event of a stopped kind", kind=row.name, id=candidate, succeeded=succeeded)
    if succeeded:
        _let_drain(row.name, "an event that had waited was processed")
    return result


def _find_candidate(kind: str) -> tuple[str | None, bool]:
    """An event to try, and whether there is none because lanes hold all that were looked at, behind other events.

    These wait in their lanes from now on, so that whoever looks next finds others.
    """
    for _ in range(LOOKS):
        candidate = kinds.find_candidate(kind, injected_failures=settings.FAULT_INJECTION)
        if candidate is not None or not _let_go_of_held(kind):
            return candidate, False
    return None, True


def _let_go_of_held(kind: str) -> bool:
    with transaction() as cursor:
        kinds.read_set_aside(cursor)
        held = kinds.held_by_lanes(cursor, kind, MOST_ROWS) if kinds.is_sole_drainer(cursor, kind) else {}
        lanes = lock_lanes(cursor, set(held.values()))
        kinds.let_go(cursor, kind, list(held))
        move_lanes(cursor, [as_it_stands(lane) for lane in lanes.values()], outcome_time(cursor))
    return bool(held)


def next_rows(rows: int, took_s: float, step_s: float = STEP_S) -> int:
    """How many the next step takes, after one with so many rows, so that it takes `step_s` at most."""
    if took_s > step_s:
        return max(FIRST_ROWS, rows // 2)
    return min(MOST_ROWS, 2 * rows) if took_s <= step_s / 2 else rows


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


@POSTGRES_SECONDS.time()
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
