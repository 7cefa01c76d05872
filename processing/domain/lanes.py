"""What a lane does next: pure decisions over plain values. The rows are `models.Lane`, locked by the caller."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, islice

from processing.domain.envelope import Event


@dataclass
class LaneState:
    """A locked lane. `waiting`: events of it are held or retrying at or beyond `next_seq`."""

    user_id: str
    next_seq: int
    waiting: bool
    order_version: int
    moved_at: datetime | None = None  # the time of the last outcome that moved it
    set_back_from: int | None = None  # an operator set it back: below this, final events may own seqs ahead of it
    parked: bool = False  # it stands on the event with its next seq, which failed for good and waits for an operator

    @property
    def holds(self) -> bool:
        """Whether new events join those that wait, and run when the lane is released."""
        return self.waiting or self.set_back_from is not None

    @property
    def has_begun(self) -> bool:
        """Whether anything of it has an outcome or was passed."""
        return self.next_seq > 1 or self.set_back_from is not None or self.parked


@dataclass(frozen=True)
class PassableGaps:
    """Of a lane that stood at `next_seq`: its gaps before `until`, which is held there, can be passed. A lane that was
    set back since has begun anew. `since`: when it began to wait; lanes that wait by one batch have it in common."""

    user_id: str
    next_seq: int
    until: int
    since: datetime | None = None

    def before(self, lane: LaneState) -> int:
        """The gaps before this seq can be passed; 0: none."""
        return self.until if lane.next_seq >= self.next_seq and not lane.parked else 0


@dataclass(frozen=True)
class PassedGap:
    """Seqs that a lane goes on without. `since`: when the first of the events behind it was received."""

    user_id: str
    first_seq: int
    last_seq: int
    since: datetime


@dataclass
class LanePlan:
    """What becomes of a batch's events of one lane; `run` and `held` ascend by seq. `far`: too far ahead
    of it, with the highest seq that it had or had passed then."""

    run: list[Event] = field(default_factory=list)
    held: list[Event] = field(default_factory=list)
    skipped: list[Event] = field(default_factory=list)
    far: list[tuple[Event, int]] = field(default_factory=list)
    ready: bool = False  # the front has come, but others wait too: the lane can be released
    stuck: bool = False  # the front has come, but its kind is set aside


def share_turns(groups: Sequence[Sequence[str]], room: int) -> list[str]:
    """The lanes that have the next turns, `room` at most: half of it from the smallest group on, the rest from the
    first group on, so that each is through at last."""
    ascending: list[Sequence[str]] = sorted(groups, key=len)
    small = list(islice(chain.from_iterable(ascending), room // 2))
    chosen = set(small)
    rest = (user for group in groups for user in group if user not in chosen)
    return [*small, *islice(rest, room - len(small))]


def highest_of(lane: LaneState, highest_waiting: int) -> int:
    """The highest seq that a lane has or has passed."""
    return max(lane.next_seq if lane.parked else lane.next_seq - 1, highest_waiting)


def is_far(lane: LaneState, seq: int, highest_waiting: int, max_ahead: int) -> bool:
    """Whether a seq is more than `max_ahead` (0: never) over the highest that its lane has or has passed.

    A lane without any outcome takes any seq.
    """
    return max_ahead > 0 and lane.has_begun and seq - highest_of(lane, highest_waiting) > max_ahead


def plan_arrivals(
    lane: LaneState,
    arrivals: Iterable[Event],
    owned: Container[int],
    set_aside: Container[str] = (),
    *,
    max_ahead: int = 0,
    highest_waiting: int = 0,
) -> LanePlan:
    """Decide for new events of one lane, in the order of the log. `set_aside` has the ids of those that cannot run now.

    `owned` has the seqs among them that an event of the inbox already has. The first id of a seq owns it, so any other
    is skipped, like one whose seq was passed. In a lane where others wait nothing runs here: the new ones are held with
    them, and the lane is released afterwards. Those that are too far ahead own no seq; a front that comes before one in
    the log counts as an outcome. The event that a lane is parked on owns its seq.
    """
    plan = LanePlan()
    passed = lane.next_seq if lane.parked else lane.next_seq - 1
    fresh: dict[int, Event] = {}
    highest, begun = highest_of(lane, highest_waiting), lane.has_begun
    for event in arrivals:
        assert event.seq is not None
        if event.seq <= passed or event.seq in owned or event.seq in fresh:
            plan.skipped.append(event)
        elif begun and 0 < max_ahead < event.seq - highest:
            plan.far.append((event, highest))
        else:
            fresh[event.seq] = event
            highest = max(highest, event.seq)
            begun = begun or event.seq == lane.next_seq
    front = lane.next_seq
    plan.ready = lane.holds and front in fresh and fresh[front].id not in set_aside
    while not lane.holds and front in fresh and fresh[front].id not in set_aside:
        plan.run.append(fresh.pop(front))
        front += 1
    plan.stuck = front in fresh and fresh[front].id in set_aside
    plan.held = [fresh[seq] for seq in sorted(fresh)]
    return plan
