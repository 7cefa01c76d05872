"""The losses that nobody has acknowledged, as a metric."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import structlog
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from processing.domain.away import StoppedError
from processing.postgres.losses import OpenLosses as Row
from processing.postgres.losses import open_losses
from processing.postgres.transaction import retry_transient

CACHED_S = 10.0

log = structlog.get_logger(__name__)


class OpenLosses(Collector):
    """By topic and reason, as Postgres has it when it is asked, at most every CACHED_S. While Postgres cannot say, the
    metrics are absent.
    """

    def __init__(self) -> None:
        self._rows: list[Row] | None = None
        self._until = 0.0

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return [_losses(), _messages()]  # so that registering it asks no database

    def collect(self) -> Iterator[GaugeMetricFamily]:
        if time.monotonic() >= self._until:
            self._rows = _read()
            self._until = time.monotonic() + CACHED_S
        if self._rows is None:
            return
        losses, messages = _losses(), _messages()
        for row in self._rows:
            losses.add_metric([row.topic, row.why], row.losses)
            messages.add_metric([row.topic, row.why], row.messages)
        yield losses
        yield messages


def _losses() -> GaugeMetricFamily:
    text = "Losses of the log that no operator has acknowledged"
    return GaugeMetricFamily("log_losses_unacknowledged", text, labels=["topic", "why"])


def _messages() -> GaugeMetricFamily:
    text = "Messages in these losses, as far as their number is known"
    return GaugeMetricFamily("log_lost_messages_unacknowledged", text, labels=["topic", "why"])


def _read() -> list[Row] | None:
    try:
        return retry_transient(open_losses, patience_s=0)
    except StoppedError as error:
        log.warning("what the log lost is not told as a metric", error=str(error))
        return None
