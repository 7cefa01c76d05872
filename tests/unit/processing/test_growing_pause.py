"""Growing pauses."""

from __future__ import annotations

from processing.domain.growing_pause import GrowingPause


def test_each_pause_is_twice_as_long_as_the_one_before_up_to_the_longest() -> None:
    pause = GrowingPause(first_s=2, longest_s=8)
    assert [now for now in range(40) if pause.is_over("a", now)] == [0, 2, 6, 14, 22, 30, 38]


def test_each_subject_has_pauses_of_its_own() -> None:
    pause = GrowingPause(first_s=2, longest_s=8)
    assert pause.is_over("a", 0)
    assert pause.is_over("b", 1)
    assert not pause.is_over("a", 1)


def test_what_was_not_asked_for_during_a_pause_more_begins_anew() -> None:
    pause = GrowingPause(first_s=2, longest_s=8)
    assert [now for now in (0, 2, 6, 30, 31, 32) if pause.is_over("a", now)] == [0, 2, 6, 30, 32]
