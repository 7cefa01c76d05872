"""Sets a lane's next seq: forward past what it waits for, or back to where it was led astray.

What it does is worked out under the lane's lock; `foresee` works it out without one, to be read before.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import psycopg

from processing.domain.envelope import MAX_SEQ
from processing.domain.lanes import LaneState
from processing.domain.outcomes import BatchResult, HotStateUpdate
from processing.domain.statuses import Status
from processing.engine import enqueue
from processing.engine.after_commit import publish
from processing.operators.chunks import while_patient
from processing.postgres import lane_setting as rows
from processing.postgres.inbox import StatusChange, change_statuses, disown_seqs
from processing.postgres.lanes import lock_lanes
from processing.postgres.operator_records import next_number, record, record_of_lane
from processing.postgres.outbox import add_to_outbox
from processing.postgres.transaction import Cursor, outcome_time, transaction

SET_LANE = "set lane"  # as OperatorAction.action says it
LOCK_WAIT_S = 2.0  # longer than a batch's transaction


@dataclass(frozen=True)
class Setting:
    """What setting a lane does, or `refused`: why it does not. `lands` is beyond final events that own their seqs.

    Ids: `skip` are waiting events below it, `free` skipped ones that lose their seq, `replay` skipped ones that wait
    in the lane again.
    """

    user_id: str
    refused: str | None = None
    stands: int = 0
    lands: int = 0
    skip: list[str] = field(default_factory=list)
    free: list[str] = field(default_factory=list)
    replay: list[str] = field(default_factory=list)

    @property
    def changed(self) -> list[str]:
        return [*self.skip, *self.free, *self.replay]

    @property
    def changes(self) -> bool:
        return self.refused is None and (self.stands != self.lands or bool(self.changed))

    def __str__(self) -> str:
        if self.refused is not None:
            return self.refused
        if not self.changes:
            return f"the lane of {self.user_id!r} stands at {self.stands}: nothing changes"
        parts = [f"the lane of {self.user_id!r} goes from {self.stands} to {self.lands}"]
        parts += [f"held events below, which end as skipped: {len(self.skip)}"] if self.skip else []
        parts += [f"skipped events from there, which lose their seq: {len(self.free)}"] if self.free else []
        parts += [f"skipped events from there, which wait in the lane again: {len(self.replay)}"] if self.replay else []
        return "; ".join(parts)


def foresee(user_id: str, seq: int, *, replay: bool) -> Setting:
    """What `set_lane` would do now. Changes nothing."""

    def look() -> Setting:
        with transaction() as cursor:
            lane = rows.find_lane(user_id)
            return _refusal(cursor, user_id, seq, lane) or _work_out(cursor, lane, seq, replay=replay)

    return while_patient(look)


def set_lane(user_id: str, seq: int, *, replay: bool, actor: str) -> Setting:
    """Set the lane, on record. Raises `StoppedError` while the database cannot serve it."""
    number = next_number()

    def act() -> tuple[Setting, BatchResult, str | None]:
        try:
            return _act(user_id, seq, replay=replay, actor=actor, number=number)
        except psycopg.errors.LockNotAvailable:
            return Setting(user_id, f"one of {user_id!r} is being tried now: try again"), _result([], None), None

    setting, result, due = while_patient(act)
    publish(result)
    if due is not None:
        enqueue.enqueue_now([due])
    return setting


def _act(user_id: str, seq: int, *, replay: bool, actor: str, number: int) -> tuple[Setting, BatchResult, str | None]:
    """One transaction. It takes its locks in the one order: the lane, rows of the inbox."""
    with transaction() as cursor:
        refusal = _refusal(cursor, user_id, seq, rows.find_lane(user_id))  # before the wait for a worker's lock
        if refusal is not None:
            return refusal, _result([], None), None
        rows.limit_lock_wait(cursor, LOCK_WAIT_S)
        lane = lock_lanes(cursor, [user_id]).get(user_id)
        setting = _refusal(cursor, user_id, seq, lane) or _work_out(cursor, lane, seq, replay=replay)
        if lane is None or not setting.changes:
            return setting, _result([], None), None
        while setting.changed:  # retention strips and deletes skipped events without a lane's lock
            rows.lock_events(cursor, setting.changed)
            found, setting = setting, _work_out(cursor, lane, seq, replay=replay)
            if found == setting:
                break
        _change_events(cursor, setting, number)
        back = max(lane.set_back_from or 0, lane.next_seq)
        rows.put_lane(cursor, user_id, setting.lands, back if back > setting.lands else None)
        record_of_lane(cursor, SET_LANE, actor, user_id, f"to {seq}{' with replay' if replay else ''}: {setting}")
        record(cursor, SET_LANE, actor, _details(setting))
        result = _result(setting.changed, add_to_outbox(cursor, setting.changed))
        return setting, result, rows.lowest_waiting_id(cursor, user_id, setting.lands)


def _refusal(cursor: Cursor, user_id: str, seq: int, lane: LaneState | None) -> Setting | None:
    if not 1 <= seq <= MAX_SEQ:
        return Setting(user_id, f"a lane's next seq is an integer from 1 to {MAX_SEQ}")
    if lane is None:
        return Setting(user_id, f"{user_id!r} has no lane: no numbered event of this user has come")
    tried = rows.find_tried(cursor, user_id)
    return None if tried is None else Setting(user_id, f"{tried!r} of this lane is being tried: wait until it is final")


def _work_out(cursor: Cursor, lane: LaneState | None, seq: int, *, replay: bool) -> Setting:
    assert lane is not None
    user, front = lane.user_id, lane.next_seq
    if seq >= front:
        skip = rows.waiting_between(cursor, user, front, seq)
        return Setting(user, None, front, rows.first_unowned(cursor, user, seq), skip)
    found = rows.skipped_from(cursor, user, seq)
    again = [each.id for each in found if replay and each.first and each.readable]
    # with a replay one that was second for its seq stays as it is
    free = [each.id for each in found if not replay or (each.first and not each.readable)]
    return Setting(user, None, front, rows.first_unowned(cursor, user, seq), [], free, again)


def _change_events(cursor: Cursor, setting: Setting, number: int) -> None:
    passed = f"an operator set the lane of {setting.user_id!r} from {setting.stands} to {setting.lands}"
    changes = [StatusChange(id, Status.SKIPPED, 0, f"its seq was passed: {passed}") for id in setting.skip]
    changes += [StatusChange(id, Status.SKIPPED, 0, f"it lost its seq: {passed}") for id in setting.free]
    changes += [
        StatusChange(id, Status.HELD, 0, replay=number, replay_order=order)
        for order, id in enumerate(setting.replay, 1)
    ]
    change_statuses(cursor, changes, outcome_time(cursor), fresh=False)
    disown_seqs(cursor, setting.free)


def _details(setting: Setting) -> dict[str, str]:
    """By event what became of it, for the record."""
    return {
        **dict.fromkeys(setting.skip, "skipped"),
        **dict.fromkeys(setting.free, "lost its seq"),
        **dict.fromkeys(setting.replay, "waits in the lane again"),
    }


def _result(changed: list[str], outbox_id: int | None) -> BatchResult:
    return BatchResult(HotStateUpdate(refresh=changed, outbox_id=outbox_id))
