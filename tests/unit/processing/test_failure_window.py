"""When handlers keep failing: a table of their last runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from processing.domain.failure_window import FailureWindow
from processing.domain.outcomes import Outcome
from processing.domain.statuses import Status
from tests.support import flaky
from tests.support.batches import batch_of, value


def outcomes(text: str, *, family: str = flaky.FLAKY.name, injected: bool = False) -> Iterator[Outcome]:
    """One outcome a letter: `.` succeeded, `x` failed."""
    for number, letter in enumerate(text):
        event = batch_of(value(f"e{number}", family=family or None)).arrivals[0].event
        failed = letter == "x"
        status = Status.RETRYING if failed else Status.PROCESSED
        yield Outcome(event, status, 1, "RuntimeError: no" if failed else None, injected=injected)


@pytest.mark.parametrize(
    ("runs", "opens"),
    [
        ("", False),
        ("xxx", False),
        ("xxxx", True),  # in a row
        ("xxx.xxx.", False),  # 6 of 10 would be too many
        ("xxx.xxx.xx", True),  # 8 of 10
        ("xxx.......xxx.......", False),
        ("xxxx......", True),  # though it went well again within the same transaction
    ],
)
def test_failures_in_a_row_or_in_proportion_open_it(runs: str, opens: bool) -> None:
    window = FailureWindow(limit_in_a_row=4, limit_percent=70, size=10)
    assert (window.observe(outcomes(runs)) is not None) is opens


def test_failures_are_counted_across_transactions() -> None:
    window = FailureWindow(limit_in_a_row=4, limit_percent=0, size=10)
    assert window.observe(outcomes("..xx")) is None
    assert window.observe(outcomes("xx")) is not None


def test_drills_events_without_a_family_and_limits_of_zero_do_not_count() -> None:
    assert FailureWindow(2, 10, 10).observe(outcomes("xxxxx", injected=True)) is None
    assert FailureWindow(2, 10, 10).observe(outcomes("xxxxx", family="")) is None
    assert FailureWindow(0, 0, 10).observe(outcomes("xxxxxxxxxxxx")) is None
