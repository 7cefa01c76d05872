"""What a lane does with what arrives: a table."""

from __future__ import annotations

import pytest

from processing.domain.envelope import Event
from processing.domain.lanes import LanePlan, LaneState, PassableGaps, is_far, plan_arrivals, share_turns


def event(seq: int, id: str = "") -> Event:
    return Event(id or f"e-{seq}", "u-1", "t", "", seq, False, 0, b"{}", None)


def plan(seqs: list[int], *, front: int = 1, waiting: bool = False, owned: set[int] | None = None) -> LanePlan:
    lane = LaneState("u-1", front, waiting, order_version=0)
    return plan_arrivals(lane, [event(seq) for seq in seqs], owned or set())


def seqs(events: list[Event]) -> list[int | None]:
    return [each.seq for each in events]


@pytest.mark.parametrize(
    ("arrivals", "front", "waiting", "owned", "run", "held", "skipped"),
    [
        ([1, 2, 3], 1, False, set(), [1, 2, 3], [], []),  # in order
        ([3, 1, 2], 1, False, set(), [1, 2, 3], [], []),  # shuffled: the batch is complete
        ([2, 3], 1, False, set(), [], [2, 3], []),  # the first is missing
        ([1, 3, 5, 4], 1, False, set(), [1], [3, 4, 5], []),  # up to the gap
        ([4, 6], 5, False, set(), [], [6], [4]),  # one was passed
        ([5, 5], 5, False, set(), [5], [], [5]),  # the same seq under two ids: the first owns it
        ([7, 7], 5, False, set(), [], [7], [7]),  # … also while it is held
        ([5, 6], 5, True, set(), [], [5, 6], []),  # others wait already: nothing runs past them
        ([6, 7], 5, True, {6}, [], [7], [6]),  # an event that waits owns its seq
        ([5], 5, True, {5}, [], [], [5]),  # … also the one at the front, being retried
        ([], 5, True, set(), [], [], []),
    ],
)
def test_what_runs_what_is_held_and_what_is_skipped(
    arrivals: list[int], front: int, waiting: bool, owned: set[int], run: list[int], held: list[int], skipped: list[int]
) -> None:
    result = plan(arrivals, front=front, waiting=waiting, owned=owned)
    assert (seqs(result.run), seqs(result.held), seqs(result.skipped)) == (run, held, skipped)


def test_of_two_ids_with_one_seq_the_first_in_the_log_runs() -> None:
    lane = LaneState("u-1", 1, False, order_version=0)
    result = plan_arrivals(lane, [event(1, "first"), event(1, "second")], set())
    assert ([e.id for e in result.run], [e.id for e in result.skipped]) == (["first"], ["second"])


@pytest.mark.parametrize(
    ("arrivals", "waiting", "ready"),
    [
        ([5], True, True),  # the front has come to a lane where others wait
        ([6], True, False),  # still missing
        ([5], False, False),  # nobody waits: it runs at once
    ],
)
def test_a_lane_wants_a_turn_when_its_front_comes_to_others_that_wait(
    arrivals: list[int], waiting: bool, ready: bool
) -> None:
    assert plan(arrivals, front=5, waiting=waiting).ready is ready


# --- too far ahead ---

CLOCK = 1_790_000_000_000


def far(*seqs: int, front: int = 1, waiting: bool = False, highest: int = 0, most: int = 1_000_000) -> list[int | None]:
    """The seqs of those that are too far ahead."""
    lane = LaneState("u-1", front, waiting, order_version=0)
    plan = plan_arrivals(lane, [event(seq) for seq in seqs], set(), max_ahead=most, highest_waiting=highest)
    return [each.seq for each, _ in plan.far]


def test_a_seq_far_ahead_of_what_its_lane_has_passed_takes_no_place_in_it() -> None:
    assert far(CLOCK, 4, front=4) == [CLOCK]
    assert far(1_000_003, front=4) == []
    assert far(1_000_004, front=4) == [1_000_004]


def test_what_came_before_it_in_the_batch_counts() -> None:
    assert far(1, 2, 3, CLOCK, 4) == [CLOCK]
    assert far(CLOCK, 1, 2, 3, 4) == [], "there was nothing yet that it could be far from"
    assert far(900_000, 1_900_000, front=4) == []


def test_what_waits_in_the_lane_counts() -> None:
    assert far(1_500_000, front=4, waiting=True, highest=600_000) == []
    assert far(1_600_001, front=4, waiting=True, highest=600_000) == [1_600_001]


def test_a_lane_without_any_outcome_takes_any_seq_and_0_allows_any() -> None:
    assert far(CLOCK) == []
    assert far(CLOCK, front=4, most=0) == []


def test_in_a_lane_that_was_set_back_nothing_runs_before_it_is_released() -> None:
    lane = LaneState("u-1", 4, False, order_version=0, set_back_from=CLOCK)
    plan = plan_arrivals(lane, [event(4), event(5)], {5})
    assert ([e.seq for e in plan.held], [e.seq for e in plan.skipped], plan.ready) == ([4], [5], True)


@pytest.mark.parametrize(
    ("groups", "room", "chosen"),
    [
        ([], 5, ""),
        (["abc"], 5, "abc"),
        (["abcdefgh"], 5, "abcde"),
        (["abcdefgh", "z"], 4, "zabc"),  # a small one goes before a large one
        (["abcdefgh", "zyxw"], 4, "zyab"),  # … as far as half of the room takes it
        (["abcdefgh", "ijklmnop"], 5, "abcde"),  # of equal ones the first
        (["abcdefgh", "z", "y", "x"], 4, "zyab"),  # the first goes on whatever comes behind it
        (["a", "bcdefghi"], 4, "abcd"),
    ],
)
def test_small_groups_go_before_a_crowd(groups: list[str], room: int, chosen: str) -> None:
    assert share_turns([list(group) for group in groups], room) == list(chosen)


def test_the_event_that_a_lane_is_parked_on_owns_its_seq_and_nothing_runs_behind_it() -> None:
    lane = LaneState("u-1", 4, waiting=True, order_version=0, parked=True)
    result = plan_arrivals(lane, [event(4), event(5), event(3)], set())
    assert (seqs(result.run), seqs(result.held), seqs(result.skipped)) == ([], [5], [4, 3])
    assert not result.ready


def test_it_counts_as_one_that_the_lane_has() -> None:
    lane = LaneState("u-1", 1, waiting=True, order_version=0, parked=True)
    result = plan_arrivals(lane, [event(12), event(11)], set(), max_ahead=10)
    assert (seqs(result.held), [(each.seq, top) for each, top in result.far]) == ([11], [(12, 1)])
    assert (is_far(lane, 11, 0, 10), is_far(lane, 12, 0, 10)) == (False, True)


def test_a_gap_that_was_found_before_a_lane_was_parked_is_not_passed() -> None:
    found = PassableGaps("u-1", next_seq=2, until=6)
    assert found.before(LaneState("u-1", 3, True, 0)) == 6
    assert found.before(LaneState("u-1", 3, True, 0, parked=True)) == 0
