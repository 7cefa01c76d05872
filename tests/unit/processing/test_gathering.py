"""How long the consumer's next poll gathers messages."""

from __future__ import annotations

import pytest

from processing.consumer.gathering import LEAST_S, MOST_S, gather_s


@pytest.mark.parametrize(
    ("messages", "seconds", "expected_s"),
    [
        (2_000, 0.001, MOST_S),  # a backlog: the batch is full at once
        (550, 0.05, MOST_S),
        (250, 0.05, 0.0125),  # 5,000 a second
        (50, 0.05, LEAST_S),
        (1, 0.05, LEAST_S),
        (0, 0.05, LEAST_S),  # an idle consumer: whoever comes next waits for nobody
        (0, 0.0, LEAST_S),  # partitions were paused
    ],
)
def test_the_next_poll_gathers_for_longer_the_more_comes(messages: int, seconds: float, expected_s: float) -> None:
    assert gather_s(messages, seconds) == pytest.approx(expected_s)
