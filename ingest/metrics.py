"""Every metric of the door, by name."""

from __future__ import annotations

import collections
from collections.abc import Iterable
from functools import cache

from prometheus_client import Counter, Gauge

from processing.domain.process import note_done

EVENTS = Counter("door_events_total", "Events by what became of them at the door", ["status"])
GROUP_LAG = Gauge(
    "door_group_lag", "Messages that the consumer group has not committed", multiprocess_mode="mostrecent"
)


def count_events(statuses: Iterable[str]) -> None:
    counts = collections.Counter(statuses)
    for status, number in counts.items():
        _counted(status).inc(number)
    note_done(counts.total())


@cache
def _counted(status: str) -> Counter:
    return EVENTS.labels(status)
