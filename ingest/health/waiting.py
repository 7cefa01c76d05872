"""Kinds that are set aside, and how much waits for each, as Postgres has it at a scrape."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import structlog
from django.db import Error
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from processing.operators.overview import KindOverview, kinds_set_aside
from processing.postgres.transaction import reset_if_transient

CACHED_S = 10.0
LABELLED = 100  # kinds with a label of their own; more are told together, as `other`
OTHER = "other"

log = structlog.get_logger(__name__)


class EventsThatWait(Collector):
    """At most every CACHED_S Postgres is asked. While it cannot say, these metrics are absent."""

    def __init__(self) -> None:
        self._kinds: list[KindOverview] | None = None
        self._until = 0.0

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return _gauges([])  # so that registering it asks no database

    def collect(self) -> Iterator[GaugeMetricFamily]:
        if time.monotonic() >= self._until:
            self._kinds = _read()
            self._until = time.monotonic() + CACHED_S
        if self._kinds is not None:
            yield from _gauges(self._kinds)


def _gauges(kinds: list[KindOverview]) -> list[GaugeMetricFamily]:
    set_aside = GaugeMetricFamily(
        "kinds_set_aside", "Kinds of event that are not open, by their state", labels=["kind", "state"]
    )
    waiting = GaugeMetricFamily("events_waiting_for_kind", "Events that wait for a kind", labels=["kind"])
    age = GaugeMetricFamily(
        "events_waiting_for_kind_oldest_seconds", "How long the first of them has waited", labels=["kind"]
    )
    own = sorted(kinds, key=lambda kind: -kind.waiting)
    for kind in own[:LABELLED]:
        set_aside.add_metric([kind.name, kind.state], 1)
        waiting.add_metric([kind.name], kind.waiting)
        age.add_metric([kind.name], kind.oldest_s)
    rest = own[LABELLED:]
    for state in sorted({kind.state for kind in rest}):
        set_aside.add_metric([OTHER, state], sum(kind.state == state for kind in rest))
    if rest:
        waiting.add_metric([OTHER], sum(kind.waiting for kind in rest))
        age.add_metric([OTHER], max(kind.oldest_s for kind in rest))
    return [set_aside, waiting, age]


def _read() -> list[KindOverview] | None:
    """None when Postgres cannot say."""
    try:
        return kinds_set_aside()
    except Exception as error:
        if not (reset_if_transient(error) or isinstance(error, Error)):
            raise
        log.warning("kinds_set_aside is not told", error=" ".join(str(error).split()))
        return None
