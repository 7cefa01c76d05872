"""How large an event may be: EVENT_MAX_BYTES, or what the topic takes where that is less."""

from __future__ import annotations

import threading

import structlog
from confluent_kafka import KafkaException
from django.conf import settings

from ingest.publishing.per_process import PerProcess
from processing.kafka.cluster import max_message_bytes

OVERHEAD_BYTES = 4_096  # more than key, headers and framing of an event take beside its value: 2,615 at most
ASK_EVERY_S = 60.0
ASK_AGAIN_S = 2.0  # Kafka is away

log = structlog.get_logger(__name__)


class Watch:
    """Asks Kafka what the topic takes, in the background, and says so where EVENT_MAX_BYTES is more."""

    def __init__(self) -> None:
        self.topic_takes: int | None = None  # bytes of a message or a batch of them; None: not known
        self._soon = threading.Event()
        threading.Thread(target=self._ask_forever, name="event limit", daemon=True).start()

    def ask_soon(self) -> None:
        self._soon.set()

    def _ask_forever(self) -> None:
        while True:
            self._soon.clear()
            try:
                told = max_message_bytes(settings.KAFKA_EVENTS_TOPIC)
            except KafkaException:  # who publishes says so
                self._soon.wait(ASK_AGAIN_S)
            else:
                self._note(told)
                self._soon.wait(ASK_EVERY_S)

    def _note(self, told: int | None) -> None:
        if told is None or told == self.topic_takes:
            return
        self.topic_takes = told
        if allowed(told) < settings.EVENT_MAX_BYTES:
            log.warning(
                "EVENT_MAX_BYTES is more than the topic takes: larger events are refused, status 413",
                topic=settings.KAFKA_EVENTS_TOPIC,
                max_message_bytes=told,
                event_max_bytes=settings.EVENT_MAX_BYTES,
                refused_over=allowed(told),
            )


def allowed(topic_takes: int | None) -> int:
    """Bytes of an event's value, where the topic takes messages of so many."""
    if topic_takes is None:
        return int(settings.EVENT_MAX_BYTES)
    return min(settings.EVENT_MAX_BYTES, max(topic_takes - OVERHEAD_BYTES, topic_takes // 2))


_watch = PerProcess(Watch)


def start() -> None:
    """From now on this process knows it, as soon as Kafka has told."""
    _watch.get()


def event_limit() -> int:
    """Bytes of an event's value on Kafka."""
    return allowed(topic_takes())


def topic_takes() -> int | None:
    """Bytes of a message, or of a batch of them, on Kafka; None: not known."""
    watch = _watch.made()
    return None if watch is None else watch.topic_takes


def ask_soon() -> None:
    """Kafka has refused a message for its size."""
    watch = _watch.made()
    if watch is not None:
        watch.ask_soon()
