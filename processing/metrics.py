"""Every metric of processing, by name: what this process did. They are served at METRICS_PORT."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import Counter

EVENTS = Counter("processing_events_total", "Events by what this process's transactions made of them", ["outcome"])


def count_events(counts: Mapping[str, int]) -> None:
    """By outcome, as `BatchResult.counts` names it."""
    for outcome, number in counts.items():
        EVENTS.labels(outcome).inc(number)
