"""How far a log must be read before a file's gaps may be passed: a table."""

from __future__ import annotations

import pytest

from processing.domain.positions import Position, is_reached

EVENTS = ("events", 0)


@pytest.mark.parametrize(
    ("mark", "position", "reached"),
    [
        (10, Position(low=0, end=10, next=9), False),  # one is not read
        (10, Position(low=0, end=10, next=10), True),
        (10, Position(low=0, end=20, next=10), True),  # later ones do not count
        (10, Position(low=0, end=4, next=4), True),  # made anew: all there is was read
        (10, Position(low=0, end=4, next=3), False),
        (10, Position(low=0, end=0, next=10), True),  # made anew, the old offset stayed
        (10, None, True),  # the partition is no more
    ],
)
def test_how_far_the_log_must_be_read(mark: int, position: Position | None, reached: bool) -> None:
    assert is_reached({EVENTS: mark}, {} if position is None else {EVENTS: position}) is reached
