"""How long the consumer's next poll gathers messages."""

from __future__ import annotations

import pytest

from processing.consumer.gathering import LEAST_S, MOST_S, gather_s


@pytest.mark.parametrize(
    ("before_s", "messages", "seconds", "expected_s"),
    [
        (MOST_S, 2_000, 0.001, MOST_S),  # a backlog: the batch is full at once
        (MOST_S, 550, 0.05, MOST_S),
        (MOST_S, 200, 0.05, 0.02),  # 4,000 a second
        (MOST_S, 1, 0.05, LEAST_S),
        (LEAST_S, 5, 0.005, LEAST_S),
        (LEAST_S, 0, 0.005, 0.01),  # nothing came: it may be that no more comes
        (0.04, 0, 0.04, MOST_S),
        (MOST_S, 0, 0.05, MOST_S),
        (0.0, 0, 0.0, LEAST_S),  # partitions were paused
    ],
)
def test_the_next_poll_gathers_for_longer_the_more_comes(
    before_s: float, messages: int, seconds: float, expected_s: float
) -> None:
    assert gather_s(before_s, messages, seconds) == pytest.approx(expected_s)
