"""What is asked of the services at a scrape: open transactions that hold up the log, and passed gaps.

While Kafka or Postgres cannot say, a gauge is absent.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import psycopg
import structlog
from confluent_kafka import KafkaException
from django.db import Error
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from processing.kafka.open_transactions import OpenTransaction, open_transactions
from processing.postgres.passed_gaps import count_passed_gaps
from processing.postgres.transaction import close_connection

CACHED_S = 5.0
COUNTED_S = 10.0

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


class PassedGapsGauge(Collector):
    """The rows of passed gaps, counted every COUNTED_S at most: there may be very many."""

    def __init__(self) -> None:
        self._number = 0
        self._until = 0.0

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return [self._gauge(None)]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        if time.monotonic() >= self._until:
            try:
                self._number = count_passed_gaps()
            except (Error, psycopg.Error) as error:
                close_connection()
                log.warning("processing_passed_gaps is not told", error=" ".join(str(error).split()))
                return
            self._until = time.monotonic() + COUNTED_S
        yield self._gauge(self._number)

    def _gauge(self, value: int | None) -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "processing_passed_gaps", "Gaps in lanes that were passed, as long as they are on record", value=value
        )
