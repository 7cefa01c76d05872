"""How large an event may be, where the topic has a word in it."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.publishing.event_limit import allowed

KIB = 1024


@pytest.mark.parametrize(
    ("topic_takes", "expected"),
    [
        (None, 256 * KIB),  # the cluster does not tell
        (1_048_588, 256 * KIB),  # Kafka's default
        (256 * KIB + 4_096, 256 * KIB),
        (256 * KIB, 252 * KIB),  # key, headers and framing need room beside the value
        (50_000, 45_904),
        (1_000, 500),
    ],
)
def test_the_smaller_of_the_two_counts(settings: Any, topic_takes: int | None, expected: int) -> None:
    settings.EVENT_MAX_BYTES = 256 * KIB
    assert allowed(topic_takes) == expected
