"""What is asked of the services at a scrape: open transactions that hold up the log, what waits, and the processes.

While Kafka or Postgres cannot say, a gauge is absent.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

import psycopg
import structlog
from confluent_kafka import KafkaException
from django.db import Error
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from processing.kafka.open_transactions import OpenTransaction, open_transactions
from processing.postgres.counts import open_dead_letters_by_reason
from processing.postgres.pipeline_state import State, read_state
from processing.postgres.processes import Running, find_processes
from processing.postgres.transaction import close_connection

CACHED_S = 5.0
COUNTED = {
    "processing_held": ("held", "Events that wait for their lane or their kind"),
    "processing_retrying": ("retrying", "Events that are to be tried again"),
    "processing_passed_gaps": ("passed_gaps", "Gaps in lanes that were passed, as long as they are on record"),
    "processing_dead_letters_unpublished": ("unpublished", "Dead letters without a copy on their topic yet"),
    "processing_hot_state_to_write": ("hot_state_to_write", "Transactions whose hot state is still to be written"),
}

log = structlog.get_logger(__name__)


class OpenTransactionGauge(Collector):
    """For how long an open transaction has held up each partition where there is one."""

    def __init__(self) -> None:
        self._found: list[OpenTransaction] = []
        self._until = 0.0

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return [self._gauge()]  # so that registering it asks nobody

    def collect(self) -> Iterator[GaugeMetricFamily]:
        if time.monotonic() >= self._until:
            try:
                self._found = open_transactions()
            except KafkaException as error:
                log.warning("processing_open_transaction_seconds is not told", error=str(error))
                return
            self._until = time.monotonic() + CACHED_S
        gauge = self._gauge()
        now = datetime.now(UTC)
        for each in self._found:
            gauge.add_metric([each.topic, str(each.partition)], each.held_up_s(now) or 0.0)
        yield gauge

    def _gauge(self) -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "processing_open_transaction_seconds",
            "For how long another producer's open transaction has held up a partition",
            labels=["topic", "partition"],
        )


class StateGauges(Collector):
    """What waits where, as one process counts it every few seconds for all, and the processes: small tables alone."""

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return self._families(State(0.0, {}), {}, [])

    def collect(self) -> Iterator[GaugeMetricFamily]:
        try:
            yield from self._families(read_state(), open_dead_letters_by_reason(), find_processes())
        except (Error, psycopg.Error) as error:
            close_connection()
            log.warning("the pipeline's state is not told", error=" ".join(str(error).split()))

    def _families(
        self, state: State, dead_letters: Mapping[str, int], processes: Sequence[Running]
    ) -> Iterator[GaugeMetricFamily]:
        for name, (key, text) in COUNTED.items():
            yield GaugeMetricFamily(name, text, value=state.numbers.get(key))
        yield _labelled(
            "processing_waiting_lanes",
            "Lanes that wait, by what for",
            "waits_for",
            state.numbers.get("waiting_lanes", {}),
        )
        yield _labelled(
            "processing_effects",
            "Effects of events outside the database, by their state: waiting, or failed and not discarded",
            "state",
            state.numbers.get("effects", {}),
        )
        yield _labelled("processing_dead_letters", "Open dead letters", "reason", dead_letters)
        lag = GaugeMetricFamily(
            "processing_group_lag_messages", "Messages that the group has not committed", labels=["topic", "partition"]
        )
        for topic, partition, messages in state.numbers.get("lag") or ():
            lag.add_metric([topic, str(partition)], messages)
        yield lag
        running = GaugeMetricFamily("processing_processes", "Processes that have not ended", labels=["role", "state"])
        told = Counter((each.role, "silent" if each.silent else "running") for each in processes if not each.replaced)
        for labels, number in sorted(told.items()):
            running.add_metric(labels, number)
        yield running


def _labelled(name: str, text: str, label: str, values: Mapping[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, number in sorted(values.items()):
        family.add_metric([value], number)
    return family
