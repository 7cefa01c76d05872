"""Every metric of the door, by name."""

from __future__ import annotations

import collections
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge

from ingest.publishing.submission import Outcome

EVENTS = Counter("door_events_total", "Events by what became of them at the door", ["status"])
GROUP_LAG = Gauge(
    "door_group_lag", "Messages that the consumer group has not committed", multiprocess_mode="mostrecent"
)

OF_THE_SITE = CollectorRegistry()
"""What is asked of a service at each scrape, not counted by a process; families register their collectors here."""


def count_outcomes(outcomes: Iterable[Outcome]) -> None:
    for status, number in collections.Counter(outcome.status for outcome in outcomes).items():
        EVENTS.labels(status).inc(number)
