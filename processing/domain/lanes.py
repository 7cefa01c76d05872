"""What a lane does next: pure decisions over plain values. The rows are `models.Lane`, locked by the caller."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from processing.domain.envelope import Event


@dataclass
class LaneState:
    """A locked lane. `waiting`: events of it are held or retrying at or beyond `next_seq`."""

    user_id: str
    next_seq: int
    waiting: bool
    order_version: int
    moved_at: datetime | None = None  # the time of the last outcome that moved it


@dataclass
class LanePlan:
    """What becomes of a batch's events of one lane; `run` and `held` ascend by seq."""

    run: list[Event] = field(default_factory=list)
    held: list[Event] = field(default_factory=list)
    skipped: list[Event] = field(default_factory=list)
    ready: bool = False  # the front has come, but others wait too: the lane can be released
    stuck: bool = False  # the front has come, but its kind is set aside


def plan_arrivals(
    lane: LaneState, arrivals: Iterable[Event], owned: Container[int], set_aside: Container[str] = ()
) -> LanePlan:
    """Decide for new events of one lane, in the order of the log. `set_aside` has the ids of those that cannot run now.

    `owned` has the seqs among them that an event of the inbox already waits with. The first id of a seq owns it, so
    any other is skipped, like one whose seq was passed. In a lane where others wait nothing runs here: the new ones are
    held with them, and the lane is released afterwards.
    """
    plan = LanePlan()
    fresh: dict[int, Event] = {}
    for event in arrivals:
        assert event.seq is not None
        if event.seq < lane.next_seq or event.seq in owned or event.seq in fresh:
            plan.skipped.append(event)
        else:
            fresh[event.seq] = event
    front = lane.next_seq
    plan.ready = lane.waiting and front in fresh and fresh[front].id not in set_aside
    while not lane.waiting and front in fresh and fresh[front].id not in set_aside:
        plan.run.append(fresh.pop(front))
        front += 1
    plan.stuck = front in fresh and fresh[front].id in set_aside
    plan.held = [fresh[seq] for seq in sorted(fresh)]
    return plan
