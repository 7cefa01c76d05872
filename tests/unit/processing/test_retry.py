"""When a failed event is tried again: a table."""

from __future__ import annotations

import pytest

from processing.domain.retry import RetryPolicy

POLICY = RetryPolicy(max_retries=3, backoff_ms=500, backoff_max_ms=60_000)


@pytest.mark.parametrize(
    ("failures", "jitter", "delay_ms"),
    [
        (1, 1, 500),  # the first wait is the base
        (2, 1, 1_000),  # doubled
        (3, 1, 2_000),  # and again
        (8, 1, 60_000),  # capped
        (10_000, 1, 60_000),  # whatever the number of tries
        (1, 0, 250),  # jitter takes up to half
        (8, 0.5, 45_000),  # … of the capped wait too
    ],
)
def test_waits_grow_are_capped_and_spread(failures: int, jitter: float, delay_ms: int) -> None:
    assert POLICY.delay_ms(failures, jitter) == delay_ms


def test_events_that_failed_together_do_not_come_back_together() -> None:
    delays = {POLICY.delay_ms(4) for _ in range(50)}
    assert len(delays) > 1
    assert all(2_000 <= delay <= 4_000 for delay in delays)


@pytest.mark.parametrize(
    ("retries", "attempts", "limit"),
    [
        (3, 0, 4),  # the first try and three more
        (3, 4, 8),  # replayed: a new set, counted on
        (0, 0, 1),  # no retries: one try
    ],
)
def test_a_set_of_tries_is_the_first_and_its_retries(retries: int, attempts: int, limit: int) -> None:
    assert RetryPolicy(retries, 500, 60_000).attempt_limit(attempts) == limit


def test_without_backoff_it_is_tried_at_once() -> None:
    assert RetryPolicy(3, 0, 60_000).delay_ms(3) == 0
