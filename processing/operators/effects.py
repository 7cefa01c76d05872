"""What an operator may do to effects that have failed: have them tried again, or put them away."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from processing.engine import enqueue
from processing.engine.handlers import retry_policy
from processing.operators.chunks import CHUNK, Effects, Result, chunks, run_chunks
from processing.postgres import effects
from processing.postgres.operator_records import record
from processing.postgres.transaction import Cursor, transaction

REPLAY, DISCARD = "replay effect", "discard effect"  # as OperatorAction.action says it


def replay(*, ids: Collection[str], actor: str) -> Result:
    """Give failed effects a new set of tries, under their tokens."""

    def again(cursor: Cursor, found: Collection[int]) -> None:
        effects.try_again(cursor, found, retry_policy().attempt_limit())

    result = _act(REPLAY, "to be tried again", again, ids, actor)
    enqueue.enqueue_effects(len(result.done))
    if result.done:
        enqueue.enqueue_follow_ups()
    return result


def discard(*, ids: Collection[str], actor: str) -> Result:
    """Put failed effects away for good."""
    return _act(DISCARD, "discarded", effects.discard, ids, actor)


def _act(
    action: str, done: str, change: Callable[[Cursor, Collection[int]], None], ids: Collection[str], actor: str
) -> Result:
    def act(chunk: Sequence[int]) -> Effects:
        with transaction() as cursor:
            found = effects.lock_failed(cursor, chunk)
            change(cursor, found)
            # on the record of their events
            for name in sorted({name for name, _ in found.values()}):
                record(cursor, action, actor, {event: name for each, event in found.values() if each == name})
        left = set(chunk).difference(found)
        return Effects(
            done={str(id): done for id in found},
            refused={str(id): "has not failed, or is discarded" for id in sorted(left)},
        )

    return run_chunks(chunks(sorted({int(id) for id in ids}), CHUNK), act)
