"""Outcomes as numbers: by kind, and by how long they took."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from processing.domain.tally import TOOK_MS, WITHIN, WITHIN_MS, Tally, add_outcomes, total

AT = datetime(2026, 9, 21, 12, tzinfo=UTC)
NOW = int(AT.timestamp() * 1000)


def buckets(*waits: int, outcome: str = "processed") -> dict[str, int]:
    tally = Tally()
    add_outcomes(tally, "game", outcome, [NOW - wait for wait in waits], AT)
    return {what: number for (_, what), number in tally.items() if what in WITHIN}


@pytest.mark.parametrize(
    ("waits", "expected"),
    [
        ((0,), {"within 10 ms": 1}),
        ((10,), {"within 10 ms": 1}),
        ((11, 25, 26), {"within 25 ms": 2, "within 50 ms": 1}),
        ((-5_000,), {"within 10 ms": 1}),  # by another clock it came tomorrow
        ((WITHIN_MS[-1], WITHIN_MS[-1] + 1), {"within 7200000 ms": 1, "later": 1}),
    ],
)
def test_each_wait_is_in_one_bucket(waits: tuple[int, ...], expected: dict[str, int]) -> None:
    assert buckets(*waits) == expected


def test_only_ends_are_timed() -> None:
    assert buckets(5, outcome="held") == {}
    assert buckets(5, outcome="duplicate") == {}
    assert buckets(5, outcome="skipped") == {"within 10 ms": 1}


def test_a_message_without_a_time_is_counted_but_not_timed() -> None:
    tally = Tally()
    add_outcomes(tally, "game", "processed", [None, NOW - 7], AT)
    assert total(tally, "processed") == 2
    assert total(tally, *WITHIN) == 1
    assert total(tally, TOOK_MS) == 7
