"""Backpressure: while the consumers are too far behind, requests wait a little, then are sent away."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

import structlog
from confluent_kafka import KafkaException
from django.conf import settings

from ingest import metrics
from ingest.publishing.errors import Unavailable
from ingest.publishing.per_process import PerProcess
from ingest.publishing.waiting import Waiting
from processing.kafka.lag import group_lag
from processing.kafka.troubles import reason

log = structlog.get_logger(__name__)

READ_EVERY_S = 1.0
READ_EVERY_WHEN_BEHIND_S = 0.2
STALE_S = 3.0  # an older reading says nothing: wait for a new one
FIRST_READING_S = 1.0
READ_EVERY_WHEN_IDLE_S = 2.0  # for the metric, and for the next request
IDLE_S = 10.0  # without requests for so long
RETRY_AFTER_S = 2


async def wait(waiting: Waiting) -> None:
    """Returns when the lag, as it was read lately, allows an event more. Raises `Unavailable` if it does not fall in
    time."""
    if settings.BACKPRESSURE_MAX_LAG:
        await _monitor.get().wait(waiting)


def start() -> None:
    """From now on the lag is read, and told as a metric, also while nobody posts."""
    _monitor.get()


class Monitor:
    """Knows the group's lag, read in the background."""

    def __init__(self) -> None:
        self._wanted = threading.Event()
        self._lag = 0
        self._read_at = -STALE_S
        self._wanted_at = time.monotonic()
        threading.Thread(target=self._read_forever, name="backpressure", daemon=True).start()

    async def wait(self, waiting: Waiting) -> None:
        self._wanted_at = time.monotonic()
        if self._is_fresh() and self._is_open():
            return
        if not self._is_fresh():
            self._wanted.set()
        await _until(self._is_fresh, FIRST_READING_S, waiting)
        if not await _until(self._is_open, settings.BACKPRESSURE_WAIT_MS / 1000, waiting):
            raise Unavailable(f"the backlog is too long ({self._lag} events): try again later", RETRY_AFTER_S)

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._read_at < STALE_S

    def _read_forever(self) -> None:
        while True:
            self._read()
            self._wanted.clear()
            self._wanted.wait(self._pause_s())

    def _pause_s(self) -> float:
        if time.monotonic() - self._wanted_at > IDLE_S:
            return READ_EVERY_WHEN_IDLE_S
        return READ_EVERY_S if self._is_open() else READ_EVERY_WHEN_BEHIND_S

    def _is_open(self) -> bool:
        return self._lag <= settings.BACKPRESSURE_MAX_LAG

    def _read(self) -> None:
        try:
            self._lag = sum(group_lag().values())
            metrics.GROUP_LAG.set(self._lag)
        except KafkaException as error:
            log.warning("cannot read the group's lag", error=reason(error, group=settings.KAFKA_CONSUMER_GROUP))
            self._lag = 0  # Kafka is away: publishing will say so
            metrics.GROUP_LAG.set(math.nan)
        except Exception:  # a bug here must not end the only reader: requests would wait for it ever after
            log.exception("cannot read the group's lag")
            self._lag = 0
        self._read_at = time.monotonic()


async def _until(condition: Callable[[], bool], seconds: float, waiting: Waiting) -> bool:
    """Whether it has come true in time. A crowd that waits holds no threads for it, which others need."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= until:
            return False
        await waiting.pause(READ_EVERY_WHEN_BEHIND_S)
    return True


_monitor = PerProcess(Monitor)
