"""When a kind keeps failing: a table of its last runs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest

from processing.domain.failing_kinds import COUNTED, FREQUENT, OTHER, FailingKinds, Limits
from processing.domain.failures import Cause, Failure
from processing.domain.outcomes import Outcome
from processing.domain.statuses import Status
from tests.support import flaky
from tests.support.batches import batch_of, value

FAMILY = flaky.FLAKY.name
number = itertools.count()


def outcome(failed: bool, *, type: str = "t", family: str = FAMILY, injected: bool = False) -> Outcome:
    event = batch_of(value(f"e{next(number)}", family=family or None, type=type)).arrivals[0].event
    status = Status.RETRYING if failed else Status.PROCESSED
    failure = Failure(Cause("RuntimeError", "shop:1 in place"), "no") if failed else None
    return Outcome(event, status, 1, failure, injected=injected)


def outcomes(text: str, *, family: str = FAMILY, injected: bool = False, type: str = "t") -> list[Outcome]:
    """One outcome a letter: `.` succeeded, `x` failed."""
    return [outcome(letter == "x", family=family, injected=injected, type=type) for letter in text]


def window(in_a_row: int = 4, percent: int = 0, size: int = 10) -> FailingKinds:
    return FailingKinds(Limits(in_a_row, percent, size))


def stopped(window: FailingKinds, outcomes: Sequence[Outcome]) -> list[str]:
    return [failing.kind for failing in window.observe(outcomes)]


@pytest.mark.parametrize(
    ("runs", "stops"),
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
def test_failures_in_a_row_or_in_proportion_stop_it(runs: str, stops: bool) -> None:
    assert bool(stopped(window(percent=70), outcomes(runs))) is stops


def test_failures_are_counted_across_transactions() -> None:
    runs = window()
    assert stopped(runs, outcomes("..xx")) == []
    assert stopped(runs, outcomes("xx")) == ["flaky/t"]


def test_runs_that_went_well_count_across_transactions_too() -> None:
    runs = window(in_a_row=0, percent=50)
    assert stopped(runs, outcomes("......")) == []
    assert stopped(runs, outcomes("xxxx")) == []
    assert stopped(runs, outcomes("...")) == []
    assert stopped(runs, outcomes("xxx")) == ["flaky/t"]


def test_drills_events_without_a_family_and_limits_of_zero_do_not_count() -> None:
    assert stopped(window(2, 10), outcomes("xxxxx", injected=True)) == []
    assert stopped(window(2, 10), outcomes("xxxxx", family="")) == []
    assert stopped(window(0, 0), outcomes("xxxxxxxxxxxx")) == []


def test_what_is_told_has_the_errors_class_and_place_and_not_its_text() -> None:
    (failing,) = window().observe(outcomes("xxxx"))
    assert failing.cause == Cause("RuntimeError", "shop:1 in place")
    assert "no" not in failing.reason.split()


def test_a_type_that_fails_is_stopped_alone_though_others_of_its_family_succeed_or_fail_now_and_then() -> None:
    mixed = [outcome(type == "bad" or n == 3, type=type) for n in range(4) for type in ("bad", "good", "fair")]
    assert stopped(window(percent=50), mixed) == ["flaky/bad"]


def test_a_type_that_fails_alone_stops_itself_and_not_its_family() -> None:
    runs = window()
    assert stopped(runs, outcomes("xxxx", type="bad")) == ["flaky/bad"]
    assert stopped(runs, outcomes("xxx", type="good")) == []


def test_a_family_that_fails_over_many_types_is_stopped_whole() -> None:
    assert stopped(window(), [outcome(True, type=type) for type in "abcd"]) == ["flaky"]


def test_one_type_among_many_that_fails_most_is_stopped_alone() -> None:
    assert stopped(window(8), [outcome(True, type=type) for type in "bbabbbcb"]) == ["flaky/b"]


def test_types_are_free_text_and_bounded() -> None:
    runs = window(0, 0)
    for _ in range(3):
        runs.observe([outcome(False, type=f"often-{n}") for n in range(FREQUENT)])
    for start in range(0, 3 * COUNTED, 300):
        runs.observe([outcome(False, type=f"once-{n}") for n in range(start, start + 300)])
        runs.observe([outcome(False, type=f"often-{n}") for n in range(FREQUENT)])
    assert len(runs.known.counts) <= COUNTED + 400
    assert len(runs.types) <= 2 * FREQUENT + 1
    assert runs.known.label(FAMILY, "often-7") == "often-7"
    assert runs.known.label(FAMILY, "once-7") == OTHER


def test_a_sender_of_ever_new_types_that_fail_stops_no_family_that_works() -> None:
    runs = FailingKinds(Limits(4, 50, 10), lambda family: {"good"})
    for _ in range(3):
        runs.observe([outcome(False, type=f"often-{n}") for n in range(FREQUENT)])
    made_up = [
        [outcome(False, type="good"), outcome(False, type="good"), outcome(True, type=f"{n}")] for n in range(20)
    ]
    assert stopped(runs, [each for three in made_up for each in three]) == []


def test_types_that_no_longer_fail_are_forgotten() -> None:
    runs = window(0, 99)
    for n in range(300):
        runs.observe([outcome(True, type=f"{n}"), *outcomes(".........", type="good")])
    (family,) = runs.families.values()
    assert len(family.failures) <= 1
    assert not family.in_a_row


def test_declared_types_are_told_apart_however_rare() -> None:
    runs = FailingKinds(Limits(0, 0, 10), lambda family: {"rare"})
    runs.observe([outcome(False, type=f"x-{n}") for n in range(FREQUENT) for _ in range(2)])
    assert runs.known.label(FAMILY, "rare") == "rare"
    assert runs.known.label(FAMILY, "never seen") == OTHER
