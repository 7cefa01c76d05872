"""What every operator action shares: its transactions, its record, and what follows each commit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TypeVar

import structlog

from processing.domain.outcomes import BatchResult, HotStateUpdate
from processing.domain.statuses import Status
from processing.engine import enqueue
from processing.engine.after_commit import publish
from processing.postgres.transaction import Cursor, retry_transient

CHUNK = 500  # events of one transaction, at most
PATIENCE_S = 10  # how long an action waits for a database that is not fit

T = TypeVar("T")
Progress = Callable[[int], object]  # told how many more are done
log = structlog.get_logger(__name__)


@dataclass
class Result:
    """What an action did: by id what became of the event, and why others were left as they are."""

    done: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


@dataclass
class Effects:
    """What one transaction of an action did, for those who act after it. Nothing of it is lost with the process."""

    done: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    refresh: list[str] = field(default_factory=list)  # ids whose hot state changes
    wake: list[str] = field(default_factory=list)  # ids that can be tried now
    outbox_id: int | None = None


@dataclass(frozen=True)
class LockedDeadLetter:
    """A dead letter, locked with its event."""

    reason: str
    attempts: int
    readable: bool  # its payload is there, so that it can be run again
    published: bool


def run_chunks(
    work: Iterable[Sequence[T]], act: Callable[[Sequence[T]], Effects], progress: Progress | None = None
) -> Result:
    """Do `act`, a transaction, for each chunk, and after each what follows its commit.

    Raises `StoppedError` when the database is not fit for `PATIENCE_S`; chunks done before stay done.
    """
    result = Result()
    for chunk in work:
        effects = while_patient(partial(act, chunk))
        publish(BatchResult(HotStateUpdate(refresh=effects.refresh, outbox_id=effects.outbox_id)))
        enqueue.enqueue_now(effects.wake)
        result.done.update(effects.done)
        result.refused.update(effects.refused)
        if progress is not None:
            progress(len(chunk))
    return result


def lock_dead_letters(cursor: Cursor, ids: Sequence[str]) -> dict[str, LockedDeadLetter]:
    """Those of these events that are dead letters and not discarded, with their letters locked, in byte order.

    Both rows are locked: whoever waited here for another operator sees what that one left.
    """
    cursor.execute(
        """SELECT i.id, d.reason, i.attempts, i.payload IS NOT NULL, d.published_at IS NOT NULL
           FROM processing_inboxevent i JOIN processing_deadletter d ON d.event_id = i.id
           WHERE i.id = ANY(%s) AND i.status = %s AND d.discarded_at IS NULL ORDER BY i.id FOR UPDATE OF i, d""",
        (list(ids), Status.FAILED),
    )
    return {row[0]: LockedDeadLetter(*row[1:]) for row in cursor}


def why_not(cursor: Cursor, ids: Collection[str], *, wanted: str) -> dict[str, str]:
    """For ids that could not be claimed: what they are instead."""
    if not ids:
        return {}
    cursor.execute(
        """SELECT i.id, i.status, d.discarded_at FROM processing_inboxevent i LEFT JOIN processing_deadletter d ON d.event_id = i.id
           WHERE i.id = ANY(%s)""",
        (list(ids),),
    )
    reasons = dict.fromkeys(sorted(ids), f"{wanted}: the inbox does not have it")
    for id, status, discarded_at in cursor:
        was = f"discarded at {discarded_at:%Y-%m-%d %H:%M:%S} UTC" if discarded_at else status
        reasons[id] = f"{wanted}: it is {was}"
    return reasons


def record(cursor: Cursor, action: str, actor: str, details: Mapping[str, str]) -> None:
    """Write down who did what, with a detail for each event."""
    cursor.execute(
        """INSERT INTO processing_operatoraction (event_id, action, actor, detail)
           SELECT id, %s, %s, detail FROM unnest(%s::text[], %s::text[]) AS n(id, detail)""",
        (action, actor, list(details), list(details.values())),
    )


def chunks(items: Collection[T], size: int) -> Iterator[Sequence[T]]:
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def while_patient(work: Callable[[], T]) -> T:
    """Do it, a transaction; again while the database is not fit. Raises `StoppedError` after `PATIENCE_S`."""
    return retry_transient(work, patience_s=PATIENCE_S)
