"""Lanes that are parked on a failed event, when that is discarded: they go on behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from processing.domain.lanes import LaneState
from processing.postgres.due import waiting_fronts
from processing.postgres.lane_setting import first_unowned
from processing.postgres.lanes import LaneMove, move_lanes, parked_on
from processing.postgres.transaction import Cursor, outcome_time


def go_on_without(cursor: Cursor, discarded: Sequence[str], lanes: Mapping[str, LaneState]) -> list[str]:
    """Move the (locked) lanes that are parked on one of these events behind it. Returns the ids that can be tried."""
    fronts = {user: _front_behind(cursor, lanes[user], seq) for user, seq in parked_on(cursor, discarded).items()}
    moves = [LaneMove(user, front, True, lanes[user].order_version) for user, front in fronts.items()]
    move_lanes(cursor, moves, outcome_time(cursor))
    return waiting_fronts(cursor, fronts)


def _front_behind(cursor: Cursor, lane: LaneState, seq: int) -> int:
    return seq + 1 if lane.set_back_from is None else first_unowned(cursor, lane.user_id, seq + 1)
