"""What an operator may do to events: one function per action, called by the admin and the commands alike.

Each works in bounded transactions that also record who did it. An action that a row does not allow (any more) is
refused with a reason; row locks keep two operators, or an operator and a worker, from acting at once.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from processing.domain.statuses import Status
from processing.kafka import dead_letter_topic
from processing.operators import parked
from processing.operators import replay as replays
from processing.operators.chunks import (
    CHUNK,
    Effects,
    Progress,
    Result,
    chunks,
    run_chunks,
    while_patient,
    why_not,
)
from processing.postgres.dead_letters import discard_dead_letters, lock_dead_letters
from processing.postgres.due import make_due, users_of_late_events
from processing.postgres.inbox import StatusChange, change_statuses
from processing.postgres.lanes import lock_lanes
from processing.postgres.operator_records import next_number, record, states
from processing.postgres.outbox import add_to_outbox
from processing.postgres.transaction import outcome_time, transaction

RETRY_NOW, DISCARD = "retry now", "discard"  # as OperatorAction.action says it


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


def discard(*, ids: Collection[str], actor: str) -> Result:
    """Put dead letters away for good: they stay failed, and only the admin shows them. Lanes that are parked on them go
    on."""

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
            record(cursor, DISCARD, actor, dict.fromkeys(claimed, ""))
            effects.outbox_id = add_to_outbox(cursor, effects.refresh)
        return effects

    return run_chunks(chunks(sorted(set(ids)), CHUNK), act)


def replay(*, ids: Collection[str], actor: str, progress: Progress | None = None) -> Result:
    """Give dead letters a new set of tries, in the order of their users' events; decode poisons anew.

    A replay deletes the dead letter, so one that has no copy on its topic yet gets it first, or is refused.
    """
    dead_letter_topic.publish(ids)
    plan = while_patient(lambda: replays.plan(ids))
    number = next_number()

    def act(chunk: Sequence[replays.Entry]) -> Effects:
        return replays.replay_chunk(chunk, number=number, actor=actor)

    result = run_chunks(replays.bounded(plan.entries), act, progress)
    result.refused.update(plan.refused)
    return result
