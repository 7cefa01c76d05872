"""Waiting for a service that is away: the clock is the test's."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event as Flag

import pytest

from processing.domain import away
from processing.domain.away import FIRST_WAIT_S, LONGEST_WAIT_S, StoppedError, leave_while_away, retry_while_away


class AwayError(Exception):
    pass


def why_away(error: Exception) -> str | None:
    return "it is away" if isinstance(error, AwayError) else None


class Clock(Flag):
    """A stop whose waits pass at once, on a clock of their own; set after `stop_after` of them."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []
        self.stop_after: int | None = None
        self.now = 0.0

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(timeout)
        self.now += timeout
        return len(self.waits) == self.stop_after

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(away, "time", made)
    return made


def failing(times: int, error: Callable[[], Exception] = AwayError) -> Callable[[], str]:
    left = [error() for _ in range(times)]

    def work() -> str:
        if left:
            raise left.pop()
        return "done"

    return work


def test_what_succeeds_waits_for_nothing(clock: Clock) -> None:
    assert retry_while_away(failing(0), why_away, stop=clock) == "done"
    assert clock.waits == []


def test_waits_double_up_to_the_longest(clock: Clock) -> None:
    assert retry_while_away(failing(7), why_away, stop=clock) == "done"
    assert clock.waits == [FIRST_WAIT_S * 2**n for n in range(5)] + [LONGEST_WAIT_S] * 2


def test_the_first_wait_is_a_parameter(clock: Clock) -> None:
    retry_while_away(failing(3), why_away, stop=clock, first_wait_s=1.0)
    assert clock.waits == [1.0, 2.0, LONGEST_WAIT_S]


def test_an_error_that_means_something_else_is_raised_at_once(clock: Clock) -> None:
    with pytest.raises(ValueError, match="a bug"):
        retry_while_away(failing(1, lambda: ValueError("a bug")), why_away, stop=clock)
    assert clock.waits == []


def test_an_error_that_means_something_else_is_raised_also_after_a_wait(clock: Clock) -> None:
    errors = [ValueError("a bug"), AwayError()]

    def work() -> None:
        raise errors.pop()

    with pytest.raises(ValueError, match="a bug"):
        retry_while_away(work, why_away, stop=clock)
    assert clock.waits == [FIRST_WAIT_S]


def test_a_stop_ends_the_wait_and_names_what_was_away(clock: Clock) -> None:
    clock.stop_after = 3
    with pytest.raises(StoppedError, match="it is away") as caught:
        retry_while_away(failing(9), why_away, stop=clock)
    assert len(clock.waits) == 3
    assert isinstance(caught.value.__cause__, AwayError)


def test_what_is_to_be_done_is_done_although_the_stop_is_set() -> None:
    """It ends waits, not work."""
    stop = Flag()
    stop.set()
    assert retry_while_away(failing(0), why_away, stop=stop) == "done"
    with pytest.raises(StoppedError):
        retry_while_away(failing(1), why_away, stop=stop)


def test_patience_ends_too(clock: Clock) -> None:
    with pytest.raises(StoppedError, match="it is away"):
        retry_while_away(failing(99), why_away, stop=clock, patience_s=5.0)
    assert 5.0 < clock.now <= 5.0 + LONGEST_WAIT_S


def test_patience_is_not_asked_while_the_work_succeeds(clock: Clock) -> None:
    assert retry_while_away(failing(2), why_away, stop=clock, patience_s=60.0) == "done"


def test_what_is_left_while_a_service_is_away_is_told(clock: Clock) -> None:
    assert leave_while_away(failing(0), why_away, to="the sweeper")
    assert not leave_while_away(failing(1), why_away, to="the sweeper")
    assert clock.waits == []
    with pytest.raises(ValueError, match="a bug"):
        leave_while_away(failing(1, lambda: ValueError("a bug")), why_away, to="the sweeper")
