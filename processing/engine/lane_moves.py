"""What outcomes change in the lanes: next seq, order list, time. Pure."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from itertools import accumulate

from processing.domain.lanes import LaneState, PassedGap
from processing.domain.outcomes import OrderChange, Outcome
from processing.domain.statuses import WAITING, Status
from processing.postgres.due import WaitingEvent
from processing.postgres.lanes import LaneMove


def lane_moves(
    lanes: Mapping[str, LaneState],
    fronts: Mapping[str, int],
    orders: Iterable[OrderChange],
    waits: Collection[str],
    look_at: Collection[str] = (),
) -> list[LaneMove]:
    """The lanes that change: `fronts` are the next seqs of those that moved, `waits` the users of whom something waits.

    `look_at`: users whose lanes wait for something else now, though their position may be the same.
    """
    versions = {order.user_id: order.after for order in orders}
    moves = [
        LaneMove(user, fronts.get(user, lane.next_seq), user in waits, versions.get(user, lane.order_version))
        for user, lane in lanes.items()
    ]
    return [move for move in moves if move.user_id in look_at or move != as_it_stands(lanes[move.user_id])]


def as_it_stands(lane: LaneState) -> LaneMove:
    """No move: only what the lane waits for is looked at again."""
    return LaneMove(lane.user_id, lane.next_seq, lane.waiting, lane.order_version)


def lane_fronts(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """The next seq of the lanes that these outcomes have moved, by user: behind them, or that of one that parks it."""
    fronts: dict[str, int] = {}
    for outcome in outcomes:
        event = outcome.event
        if event.seq is not None and outcome.status not in WAITING:
            front = event.seq if outcome.parks else event.seq + 1
            fronts[event.user_id] = max(front, fronts.get(event.user_id, 0))
    return fronts


def parked_by(outcomes: Iterable[Outcome]) -> set[str]:
    """The users whose lanes these outcomes park."""
    return {outcome.event.user_id for outcome in outcomes if outcome.parks}


def front_behind(
    lane: LaneState, waiting: Sequence[WaitingEvent], final: Container[str]
) -> tuple[int, list[PassedGap]]:
    """A lane's next seq after the turn of these events, and the gaps that it has passed: all between them, up to the
    first that is not `final` now, which is the front."""
    front, gaps = lane.next_seq, []
    behind = list(accumulate((each.received_at for each in reversed(waiting)), min))[::-1]
    for each, since in zip(waiting, behind, strict=True):
        if each.seq > front:
            gaps.append(PassedGap(lane.user_id, front, each.seq - 1, since))
            front = each.seq
        if each.attempt.event.id not in final:
            break
        front = each.seq + 1
    return front, gaps


def order_changes(
    lanes: Mapping[str, LaneState], outcomes: Iterable[Outcome], *, late: bool = False
) -> list[OrderChange]:
    """What the outcomes add to the order lists; `late`: after their lanes had passed them.

    In a lane that was set back they may lie before seqs that are there.
    """
    seqs: dict[str, list[int]] = {}
    for outcome in outcomes:
        if outcome.event.seq is not None and outcome.status is Status.PROCESSED:
            seqs.setdefault(outcome.event.user_id, []).append(outcome.event.seq)
    return [
        OrderChange(
            user, None if late or lane.set_back_from else lane.order_version, lane.order_version + 1, sorted(found)
        )
        for user, found in seqs.items()
        for lane in (lanes[user],)
    ]
