"""Every metric of the door, by name."""

from __future__ import annotations

import collections
from collections.abc import Iterable
from functools import cache

from prometheus_client import Counter, Gauge

EVENTS = Counter("door_events_total", "Events by what became of them at the door", ["status"])
GROUP_LAG = Gauge(
    "door_group_lag", "Messages that the consumer group has not committed", multiprocess_mode="mostrecent"
)


def count_events(statuses: Iterable[str]) -> None:
    for status, number in collections.Counter(statuses).items():
        _counted(status).inc(number)


@cache
def _counted(status: str) -> Counter:
    return EVENTS.labels(status)
