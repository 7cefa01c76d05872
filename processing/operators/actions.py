"""What an operator may do to events: one function per action, called by the admin and the commands alike.

Each works in bounded transactions that also record who did it. An action that a row does not allow (any more) is
refused with a reason; row locks keep two operators, or an operator and a worker, from acting at once.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from processing.domain.statuses import Status
from processing.domain.texts import storable
from processing.operators import parked
from processing.operators.chunks import CHUNK, Effects, Result, chunks, run_chunks, why_not
from processing.postgres.dead_letters import (
    discard_dead_letters,
    lock_dead_letters,
    lock_discarded,
    reopen_dead_letters,
)
from processing.postgres.due import make_due, users_of_late_events
from processing.postgres.inbox import StatusChange, change_statuses
from processing.postgres.lanes import lock_lanes
from processing.postgres.operator_records import record, states
from processing.postgres.outbox import add_to_outbox
from processing.postgres.transaction import outcome_time, transaction

RETRY_NOW, DISCARD, UNDO_DISCARD = "retry now", "discard", "undo discard"  # as OperatorAction.action says it


def retry_now(*, ids: Collection[str], actor: str) -> Result:
    """Try these retrying events at once, instead of after their backoff."""

    def act(chunk: Sequence[str]) -> Effects:
        with transaction() as cursor:
            claimed = make_due(cursor, chunk)
            effects = Effects(done=dict.fromkeys(claimed, "to be tried now"), due=claimed)
            left = set(chunk).difference(claimed)
            waiting = [id for id, (status, _) in states(cursor, left).items() if status == Status.RETRYING]
            effects.refused = dict.fromkeys(waiting, "waits for its kind, which is set aside: resume that")
            effects.refused |= why_not(cursor, left.difference(waiting), wanted="is not retrying")
            record(cursor, RETRY_NOW, actor, dict.fromkeys(claimed, ""))
        return effects

    return run_chunks(chunks(sorted(set(ids)), CHUNK), act)


def discard(*, ids: Collection[str], actor: str, reason: str = "") -> Result:
    """Put dead letters away: they stay failed, and only the admin shows them, until that is undone. Lanes that are
    parked on them go on."""

    def act(chunk: Sequence[str]) -> Effects:
        with transaction() as cursor:
            lanes = lock_lanes(cursor, users_of_late_events(cursor, chunk))
            claimed = list(lock_dead_letters(cursor, chunk))
            discard_dead_letters(cursor, claimed)
            # they stay failed; their version tells the hot state that they are on no list any more
            changes = [StatusChange(id, Status.FAILED, None) for id in claimed]
            change_statuses(cursor, changes, outcome_time(cursor), fresh=False)
            effects = Effects(done=dict.fromkeys(claimed, "discarded"), refresh=claimed)
            effects.due = parked.go_on_without(cursor, claimed, lanes)
            effects.refused = why_not(cursor, set(chunk).difference(claimed), wanted="is no dead letter")
            record(cursor, DISCARD, actor, dict.fromkeys(claimed, storable(reason.strip())))
            effects.outbox_id = add_to_outbox(cursor, effects.refresh)
        return effects

    return run_chunks(chunks(sorted(set(ids)), CHUNK), act)


def undo_discard(*, ids: Collection[str], actor: str, reason: str = "") -> Result:
    """Make discarded dead letters open ones again. Those whose content retention took stay as they are."""

    def act(chunk: Sequence[str]) -> Effects:
        with transaction() as cursor:
            found = lock_discarded(cursor, chunk)
            claimed = [id for id, is_kept in found.items() if is_kept]
            reopen_dead_letters(cursor, claimed)
            # as in a discard
            changes = [StatusChange(id, Status.FAILED, None) for id in claimed]
            change_statuses(cursor, changes, outcome_time(cursor), fresh=False)
            effects = Effects(done=dict.fromkeys(claimed, "an open dead letter again"), refresh=claimed)
            effects.refused = dict.fromkeys(set(found).difference(claimed), "its content is no longer kept")
            effects.refused |= why_not(cursor, set(chunk).difference(found), wanted="is not discarded")
            record(cursor, UNDO_DISCARD, actor, dict.fromkeys(claimed, storable(reason.strip())))
            effects.outbox_id = add_to_outbox(cursor, effects.refresh)
        return effects

    return run_chunks(chunks(sorted(set(ids)), CHUNK), act)
