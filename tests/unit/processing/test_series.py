"""Counts over time: steps without gaps, and percentiles from buckets."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from processing.domain.series import PERIODS, outcomes_by_kind, percentile_ms, steps, together

NOW = datetime(2026, 9, 21, 12, 7, 30, tzinfo=UTC)


def test_a_period_has_all_its_steps_and_the_last_goes_on() -> None:
    start = datetime(2026, 9, 21, 12, 5, tzinfo=UTC)
    at = int(start.timestamp())
    rows = [(at, None, "processed", 60), (at - 3 * 86_400, None, "processed", 1), (None, "game", "processed", 9)]
    found = steps(rows, PERIODS["hour"], NOW)
    assert len(found) == 60
    assert found[-1].start == datetime(2026, 9, 21, 12, 7, tzinfo=UTC)
    assert [step.per_minute("processed") for step in found[-4:]] == [0, 60, 0, 0]
    assert together(found)["processed"] == 60


@pytest.mark.parametrize("name", PERIODS)
def test_steps_begin_where_stored_ones_do(name: str) -> None:
    period = PERIODS[name]
    found = steps([], period, NOW)
    assert len(found) == period.length // period.step
    assert all(step.start.timestamp() % period.step.total_seconds() == 0 for step in found)


@pytest.mark.parametrize(
    ("buckets", "percent", "expected"),
    [
        ({}, 50, None),
        ({"within 10 ms": 10}, 50, 5),
        ({"within 10 ms": 50, "within 25 ms": 50}, 75, 17.5),
        ({"within 10 ms": 99, "later": 1}, 50, pytest.approx(5.05, abs=0.01)),
        ({"within 10 ms": 1, "later": 99}, 95, 7_200_000),  # more is not known
    ],
)
def test_a_percentile_lies_within_its_bucket(buckets: dict[str, int], percent: int, expected: float | None) -> None:
    assert percentile_ms(buckets, percent) == expected


def test_kinds_come_with_the_busiest_first_and_without_times() -> None:
    rows = [
        (1, None, "processed", 1),
        (None, "b", "failed", 2),
        (None, "a", "processed", 1),
        (None, "a", "within 10 ms", 9),
    ]
    rows.append((None, "", "batches", 9))
    assert outcomes_by_kind(rows) == {"b": {"failed": 2}, "a": {"processed": 1}}
