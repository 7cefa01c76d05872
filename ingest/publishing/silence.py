"""Kafka's silence: why does it answer nothing? The topic may be missing, or the broker has forgotten the producer."""

from __future__ import annotations

import threading
import time

import structlog
from confluent_kafka import KafkaException

from ingest.publishing.late_groups import LateGroups
from ingest.publishing.producer import EventProducer
from processing.kafka.troubles import reason

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 0.5
ASK_EVERY_S = 5.0


class Silence:
    """A thread of its own: a broker that hangs keeps whoever asks waiting, and reservations must be renewed."""

    def __init__(self, producer: EventProducer, late: LateGroups) -> None:
        self._producer = producer
        self._late = late
        self._stopped = threading.Event()
        self._asked_at = float("-inf")
        self._answered_before: int | None = None  # when Kafka was last asked, and there; None: it was away

    def stop(self) -> None:
        self._stopped.set()

    def look_until_stopped(self) -> None:
        while not self._stopped.wait(LOOK_EVERY_S):
            try:
                self._look()
            except Exception:  # a bug must not end the only thread that does this
                log.exception("Kafka could not be asked why it is silent")

    def _look(self) -> None:
        if not (groups := self._late.unanswered()):
            self._answered_before = None
        elif time.monotonic() - self._asked_at >= ASK_EVERY_S:
            self._ask(groups)
            self._asked_at = time.monotonic()

    def _ask(self, groups: int) -> None:
        try:
            self._producer.make_topic()
        except KafkaException as error:
            log.warning("Kafka has not answered for a while", error=reason(error), groups=groups)
            self._answered_before = None
            return
        if self._answered_before == self._late.answered:
            self._producer.replace("Kafka is there and has taken nothing from it for a while")
        self._answered_before = self._late.answered
