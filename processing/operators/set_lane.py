"""Sets a lane's next seq: forward past what it waits for, or back to where it was led astray.

Each transaction changes CHUNK events at most, under the lane's lock, which batches wait for; the last one moves the
lane. Before that the lane goes on as ever, so that after a crash the same again does the rest: forward, the highest of
the held events go first; back, the skipped ones ahead of the front take part in nothing.
`foresee` works out what it does without a lock, to be read before.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial

import psycopg

from processing import metrics
from processing.domain.envelope import MAX_SEQ
from processing.domain.lanes import LaneState
from processing.domain.outcomes import BatchResult, HotStateUpdate
from processing.domain.statuses import Status
from processing.domain.tally import REPLAYED, SKIPPED
from processing.domain.texts import counted
from processing.engine import enqueue
from processing.engine.after_commit import publish
from processing.operators.chunks import CHUNK, while_patient
from processing.postgres import lane_setting as rows
from processing.postgres.inbox import StatusChange, change_statuses, disown_seqs
from processing.postgres.lanes import lock_lanes
from processing.postgres.operator_records import next_number, record, record_of_lane
from processing.postgres.outbox import add_to_outbox
from processing.postgres.tallies import add_tally, tally_ids
from processing.postgres.transaction import Cursor, outcome_time, transaction

SET_LANE = "set lane"  # as OperatorAction.action says it
LOCK_WAIT_S = 2.0  # longer than a batch's transaction


@dataclass(frozen=True)
class Setting:
    """What setting a lane does, or `refused`: why it does not. `lands` is beyond final events that own their seqs.

    `parked`: it stands on a failed event until then. How many: `skip` are waiting events below it, `free` skipped ones
    that lose their seq, `replay` skipped ones that wait in the lane again.
    """

    user_id: str
    refused: str | None = None
    stands: int = 0
    lands: int = 0
    skip: int = 0
    free: int = 0
    replay: int = 0
    parked: bool = False

    @property
    def changed(self) -> int:
        return self.skip + self.free + self.replay

    @property
    def changes(self) -> bool:
        return self.refused is None and (self.stands != self.lands or self.changed > 0)

    def __str__(self) -> str:
        if self.refused is not None:
            return self.refused
        if not self.changes:
            return f"the lane of {self.user_id!r} stands at {self.stands}: nothing changes"
        parts = [f"the lane of {self.user_id!r} goes from {self.stands} to {self.lands}"]
        parts += (
            [f"it is parked no longer: its failed event of seq {self.stands} stays a dead letter"]
            if self.parked
            else []
        )
        parts += [f"held events below, which end as skipped: {self.skip}"] if self.skip else []
        parts += [f"skipped events from there, which lose their seq: {self.free}"] if self.free else []
        parts += [f"skipped events from there, which wait in the lane again: {self.replay}"] if self.replay else []
        return "; ".join(parts)


@dataclass(frozen=True)
class _Asked:
    user_id: str
    seq: int
    replay: bool
    actor: str = ""
    number: int = 0  # of the replay


@dataclass(frozen=True)
class _Step:
    """One transaction of setting a lane. `setting` counts what is changed so far; `more`: the lane is not moved yet."""

    setting: Setting
    more: bool = False
    result: BatchResult = field(default_factory=lambda: BatchResult(HotStateUpdate()))
    due: str | None = None


@dataclass(frozen=True)
class _Changed:
    """By id the events that one transaction changes."""

    skip: list[str] = field(default_factory=list)
    free: list[str] = field(default_factory=list)
    replay: list[str] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        return [*self.skip, *self.free, *self.replay]


def foresee(user_id: str, seq: int, *, replay: bool) -> Setting:
    """What `set_lane` would do now. Changes nothing."""
    asked = _Asked(user_id, seq, replay)

    def look() -> Setting:
        with transaction() as cursor:
            lane = rows.find_lane(user_id)
            return _refusal(cursor, asked, lane) or _work_out(cursor, asked, lane)

    return while_patient(look)


def set_lane(user_id: str, seq: int, *, replay: bool, actor: str) -> Setting:
    """Set the lane, on record. Raises `StoppedError` while the database cannot serve it."""
    asked = _Asked(user_id, seq, replay, actor, next_number())
    step = _Step(Setting(user_id), more=True)
    while step.more:
        step = while_patient(partial(_step, asked, step.setting))
        metrics.count_tally(step.result.tally)
        publish(step.result)
        if step.due is not None:
            enqueue.enqueue_now([step.due])
    return step.setting


def _step(asked: _Asked, before: Setting) -> _Step:
    try:
        step = _act(asked, before)
    except psycopg.errors.LockNotAvailable:
        step = _Step(Setting(asked.user_id, f"one of {asked.user_id!r} is being tried now: try again"))
    if step.setting.refused is not None and before.changed:
        changed = counted(before.changed, "event")
        told = f"{step.setting.refused}; changed already: {changed}, the same again does the rest"
        return _Step(replace(step.setting, refused=told))
    return step


def _act(asked: _Asked, before: Setting) -> _Step:
    """One transaction. It takes its locks in the one order: the lane, rows of the inbox."""
    user_id, seq = asked.user_id, asked.seq
    with transaction() as cursor:
        refusal = _refusal(cursor, asked, rows.find_lane(user_id))  # before the wait for a worker's lock
        if refusal is not None:
            return _Step(refusal)
        rows.limit_lock_wait(cursor, LOCK_WAIT_S)
        lane = lock_lanes(cursor, [user_id]).get(user_id)
        refusal = _refusal(cursor, asked, lane)
        if lane is None or refusal is not None:
            return _Step(refusal or before)
        changed, more = _lock_changed(cursor, asked, lane)
        lands = lane.next_seq if more else rows.first_unowned(cursor, user_id, seq)
        setting = _count_on(before, lane, lands, changed)
        if not setting.changes:
            return _Step(setting)
        _change_events(cursor, asked, lane, changed, before.replay)
        if not more:
            back = max(lane.set_back_from or 0, lane.next_seq)
            rows.put_lane(cursor, user_id, lands, back if back > lands else None)
            how = " with replay" if asked.replay else ""
            record_of_lane(cursor, SET_LANE, asked.actor, user_id, f"to {seq}{how}: {setting}")
        record(cursor, SET_LANE, asked.actor, _details(changed))
        outbox_id = add_to_outbox(cursor, changed.ids)
        tally = tally_ids(cursor, {SKIPPED: changed.skip, REPLAYED: changed.replay})
        add_tally(cursor, tally, outcome_time(cursor))
        result = BatchResult(HotStateUpdate(refresh=changed.ids, outbox_id=outbox_id), tally=tally)
        return _Step(setting, more, result, None if more else rows.lowest_waiting_id(cursor, user_id, lands))


def _lock_changed(cursor: Cursor, asked: _Asked, lane: LaneState) -> tuple[_Changed, bool]:
    """`_find_changed`, locked as they are."""
    found = _find_changed(cursor, asked, lane)
    while found[0].ids:  # retention strips and deletes skipped events without a lane's lock
        rows.lock_events(cursor, found[0].ids)
        before, found = found, _find_changed(cursor, asked, lane)
        if found == before:
            break
    return found


def _find_changed(cursor: Cursor, asked: _Asked, lane: LaneState) -> tuple[_Changed, bool]:
    """The next events to change, and whether there are more of them."""
    user = lane.user_id
    if asked.seq >= lane.next_seq:
        skip = rows.highest_waiting_between(cursor, user, lane.next_seq, asked.seq, CHUNK + 1)
        return _Changed(skip=skip[:CHUNK]), len(skip) > CHUNK
    found = rows.skipped_from(cursor, user, asked.seq, firsts=asked.replay, limit=CHUNK + 1)
    more, found = len(found) > CHUNK, found[:CHUNK]
    again = [id for id, readable in found if asked.replay and readable]
    return _Changed(free=[id for id, readable in found if not (asked.replay and readable)], replay=again), more


def _count_on(before: Setting, lane: LaneState, lands: int, changed: _Changed) -> Setting:
    return Setting(
        lane.user_id,
        None,
        lane.next_seq,
        lands,
        before.skip + len(changed.skip),
        before.free + len(changed.free),
        before.replay + len(changed.replay),
        lane.parked,
    )


def _refusal(cursor: Cursor, asked: _Asked, lane: LaneState | None) -> Setting | None:
    user_id, seq = asked.user_id, asked.seq
    if not 1 <= seq <= MAX_SEQ:
        return Setting(user_id, f"a lane's next seq is an integer from 1 to {MAX_SEQ}")
    if lane is None:
        return Setting(user_id, f"{user_id!r} has no lane: no numbered event of this user has come")
    if lane.parked and seq < lane.next_seq:
        return Setting(
            user_id,
            f"the lane of {user_id!r} is parked on its failed event of seq {lane.next_seq}: replay or discard that "
            "first, or set the lane past it",
        )
    tried = rows.find_tried(cursor, user_id)
    return None if tried is None else Setting(user_id, f"{tried!r} of this lane is being tried: wait until it is final")


def _work_out(cursor: Cursor, asked: _Asked, lane: LaneState | None) -> Setting:
    assert lane is not None
    user, front, seq = lane.user_id, lane.next_seq, asked.seq
    lands = rows.first_unowned(cursor, user, seq)
    if seq >= front:
        skip = rows.count_waiting_between(cursor, user, front, seq)
        return Setting(user, None, front, lands, skip=skip, parked=lane.parked)
    found, readable = rows.count_skipped_from(cursor, user, seq, firsts=asked.replay)
    again = readable if asked.replay else 0
    return Setting(user, None, front, lands, free=found - again, replay=again)


def _change_events(cursor: Cursor, asked: _Asked, lane: LaneState, changed: _Changed, replayed: int) -> None:
    passed = f"an operator set the lane of {lane.user_id!r} from {lane.next_seq} to {asked.seq}"
    changes = [StatusChange(id, Status.SKIPPED, 0, f"its seq was passed: {passed}") for id in changed.skip]
    changes += [StatusChange(id, Status.SKIPPED, 0, f"it lost its seq: {passed}") for id in changed.free]
    changes += [  # with a replay one that was second for its seq stays as it is
        StatusChange(id, Status.HELD, 0, replay=asked.number, replay_order=order)
        for order, id in enumerate(changed.replay, replayed + 1)
    ]
    change_statuses(cursor, changes, outcome_time(cursor), fresh=False)
    disown_seqs(cursor, changed.free)


def _details(changed: _Changed) -> dict[str, str]:
    """By event what became of it, for the record."""
    return {
        **dict.fromkeys(changed.skip, "skipped"),
        **dict.fromkeys(changed.free, "lost its seq"),
        **dict.fromkeys(changed.replay, "waits in the lane again"),
    }
