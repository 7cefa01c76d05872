"""Every metric that a process of the pipeline keeps of itself, by name; what is asked of the services at a scrape is in
`processing.operators.gauges`. docs/metrics.md lists them all.

Labels are bounded: kinds are families and their declared types, topics, and a word for the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate
from threading import Lock

from prometheus_client import REGISTRY, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from processing.domain.process import Partitions, note_done
from processing.domain.tally import NO_KIND, OUTCOMES, PASSED, TOOK_MS, TRIED, WITHIN, WITHIN_MS, Tally, total

EVENTS = Counter(
    "processing_events_total", "Events by what this process's transactions made of them", ["kind", "outcome"]
)
ATTEMPTS = Counter("processing_attempts_total", "Attempts that ended, well or not", ["kind"])
EFFECTS = Counter("processing_effects_total", "Effects by what became of a try, by task", ["task", "outcome"])
PASSED_GAPS = Counter("processing_gaps_passed_total", "Gaps of lanes that this process passed")
BATCH_EVENTS = Histogram(
    "processing_batch_events", "Events of a transaction", buckets=(1, 10, 50, 100, 500, 1_000, 2_000, 5_000, 10_000)
)
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
POSTGRES_SECONDS = Histogram(
    "processing_postgres_seconds", "Transactions that record outcomes, handlers included", buckets=SECONDS
)
REDIS_SECONDS = Histogram("processing_redis_seconds", "Writes of hot state after a commit", buckets=SECONDS)


class OutcomeSeconds(Collector):
    """The time to an outcome, by kind: counted a batch at a time, which `Histogram` cannot."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._tallies: dict[str, dict[str, int]] = {}

    def add(self, tally: Tally) -> None:
        with self._lock:
            for (kind, what), number in tally.items():
                if what == TOOK_MS or what in WITHIN:
                    of_kind = self._tallies.setdefault(kind, dict.fromkeys((*WITHIN, TOOK_MS), 0))
                    of_kind[what] += number

    def describe(self) -> Iterable[HistogramMetricFamily]:
        return [self._family()]

    def collect(self) -> Iterator[HistogramMetricFamily]:
        family = self._family()
        limits = [*(str(ms / 1000) for ms in WITHIN_MS), "+Inf"]
        with self._lock:
            for kind, numbers in self._tallies.items():
                below = accumulate(numbers[name] for name in WITHIN)
                family.add_metric([kind], list(zip(limits, below, strict=True)), numbers[TOOK_MS] / 1000)
        yield family

    def _family(self) -> HistogramMetricFamily:
        text = "From when Kafka had an event to its outcome; of one that waited, from when it was read"
        return HistogramMetricFamily("processing_outcome_seconds", text, labels=["kind"])


class LagGauges(Collector):
    """How far behind this consumer is, in its own partitions."""

    def __init__(self, lags: Partitions) -> None:
        self._lags = lags

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return self._families()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        messages, seconds = self._families()
        for each in self._lags():
            labels = [each.topic, str(each.partition)]
            messages.add_metric(labels, each.messages)
            seconds.add_metric(labels, each.seconds)
        yield messages
        yield seconds

    def _families(self) -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
        labels = ["topic", "partition"]
        return (
            GaugeMetricFamily("processing_lag_messages", "Messages that this consumer has not done", labels=labels),
            GaugeMetricFamily("processing_lag_seconds", "How long ago Kafka got the first of them", labels=labels),
        )


OUTCOME_SECONDS = OutcomeSeconds()
REGISTRY.register(OUTCOME_SECONDS)


def count_tally(tally: Tally) -> None:
    """What a transaction did, once it is committed."""
    for (kind, what), number in tally.items():
        if what in OUTCOMES:
            EVENTS.labels(kind, what).inc(number)
        if what in TRIED:
            ATTEMPTS.labels(kind).inc(number)
    PASSED_GAPS.inc(tally[NO_KIND, PASSED])
    if events := total(tally, *OUTCOMES):
        BATCH_EVENTS.observe(events)
        note_done(events)
    OUTCOME_SECONDS.add(tally)
