"""A lane as a picture."""

from __future__ import annotations

from processing.domain.lane_strip import BEFORE, BEHIND, cells, window


def states(next_seq: int, events: list[tuple[int, str, str]], gaps: list[tuple[int, int]], **more: bool) -> str:
    return " ".join(
        f"{cell.seq}:{cell.state}" for cell in cells(next_seq, events, gaps, more_waits=more.get("more", False))
    )


def test_each_seq_has_the_state_of_the_event_that_owns_it() -> None:
    events = [(1, "processed", "a"), (1, "skipped", "b"), (2, "failed", "c"), (5, "held", "d")]
    assert states(4, events, [(3, 3)]) == "1:processed 2:failed 3:passed 4:missing 5:held"


def test_what_neither_came_nor_was_passed_is_unknown() -> None:
    assert states(3, [], []) == "1:unknown 2:unknown 3:next"


def test_the_next_is_missing_only_when_something_waits_behind_it() -> None:
    assert states(2, [(1, "processed", "a")], []) == "1:processed 2:next"
    assert states(2, [(1, "processed", "a"), (3, "held", "c")], []) == "1:processed 2:missing 3:held"
    assert states(2, [(1, "processed", "a")], [], more=True).startswith("1:processed 2:missing")


def test_it_is_bounded_on_both_sides() -> None:
    assert window(1_000) == (1_000 - BEFORE, 1_000 + BEHIND)
    strip = cells(1_000, [], [(1, 10**15)], more_waits=True)
    assert (strip[0].seq, strip[-1].seq) == window(1_000)
    assert {cell.state for cell in strip[:BEFORE]} == {"passed"}
    assert {cell.state for cell in strip[BEFORE:]} == {"missing"}
