"""The Kafka producer: the one module here that writes to Kafka."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Lock
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from django.conf import settings

from ingest.parsing.candidate import Candidate
from ingest.publishing.event_limit import OVERHEAD_BYTES, ask_soon, topic_takes
from processing.domain.cloudevents import DOOR_HEADER
from processing.domain.log_positions import Place
from processing.domain.traces import HEADER as TRACEPARENT
from processing.kafka.clients import ensure_topics
from processing.kafka.clients import producer_config as base_config
from processing.kafka.topic_ids import TopicIds
from processing.kafka.troubles import reason

log = structlog.get_logger(__name__)
librdkafka_log = logging.getLogger(__name__)  # confluent-kafka calls it with a level and %-arguments: no structlog

DELIVERY_TIMEOUT_MS = 300_000  # the client's deadline is seconds; after it the producer goes on, and the id is reserved
ADMIN_TIMEOUT_S = 4.0  # within the 5 s that a client is promised
MAX_QUEUED_KIB = 64 * 1024  # bounds the memory while Kafka does not take anything
MAX_QUEUED_MESSAGES = 100_000
RETIRED_S = 5.0
BATCH_BYTES = 1_000_000  # librdkafka's default
LINGER_MS = 1  # what goes together is handed over together

OnDelivery = Callable[[KafkaError | None, Message], None]


class EventProducer:
    """Publishes envelopes. One thread prepares and publishes, another polls."""

    def __init__(self) -> None:
        self._producer: Producer | None = None
        self._retiring = Lock()
        self._retired: list[
            tuple[float, Producer]
        ] = []  # with when (time.monotonic()) no message gets into it any more
        self._must_go = ""  # why it is to be replaced
        self._topic = settings.KAFKA_EVENTS_TOPIC
        self._doubtful = True  # whether the topic is there
        self._ids = TopicIds([self._topic])
        self._topic_id = ""
        self._batch_bytes = BATCH_BYTES

    def prepare(self) -> None:
        """Connect and see to the topic. Raises `KafkaException` when Kafka does not answer in time."""
        if self._doubtful or self._ids.missing:
            self.make_topic()
            self._ask_topic_id()
            self._doubtful = False
        self._note_topic_id(self._ids.follow().get(self._topic, ""))
        batch_bytes = min(BATCH_BYTES, topic_takes() or BATCH_BYTES)
        producer = self._producer
        if producer is not None and batch_bytes != self._batch_bytes:
            log.warning("the topic takes another size of batches, the Kafka producer is replaced", bytes=batch_bytes)
            self._retire(producer)
        if self._producer is None:
            self._batch_bytes = batch_bytes
            self._producer = Producer(producer_config(batch_bytes), logger=librdkafka_log)

    def make_topic(self) -> None:
        """If it is missing. Raises `KafkaException` when Kafka does not answer in time."""
        ensure_topics([self._topic], ADMIN_TIMEOUT_S)

    def publish(self, event: Candidate, traceparent: str, on_delivery: OnDelivery) -> None:
        """Hand an event over; `on_delivery` is called by whoever polls. Raises `BufferError`, `KafkaException`."""
        producer = self._producer
        if producer is None:
            raise KafkaException(KafkaError(KafkaError._FATAL, "the producer is being replaced"))
        headers: list[tuple[str, str | bytes | None]] = []
        if event.one_content:
            headers.append((DOOR_HEADER, event.digest))  # first, as the consumer looks for it
        if traceparent:
            headers.append((TRACEPARENT, traceparent))
        producer.produce(self._topic, event.value, event.user_id, headers=headers or None, on_delivery=on_delivery)

    def _ask_topic_id(self) -> None:
        try:
            self._ids.ask()
        except KafkaException as error:  # events can go without: it only helps to tell what was lost
            self._ids.doubt()
            log.warning("the topic's id is not told, it is asked for again", error=reason(error, topic=self._topic))

    def _note_topic_id(self, id: str) -> None:
        """With another topic, a broker that forgot its log has forgotten this producer too, and refuses it for ever."""
        known, self._topic_id = self._topic_id, id
        producer = self._producer
        if known and id and id != known and producer is not None:
            log.warning("the topic has another id, the Kafka producer is replaced", topic=self._topic)
            self._retire(producer)

    def place(self, delivered: Message) -> Place | None:
        """Where an acknowledged event stands now; None when the broker did not say."""
        partition, offset = delivered.partition(), delivered.offset()
        if partition is None or offset is None or offset < 0:
            return None
        return Place(self._topic, self._topic_id, partition, offset, int(time.time() * 1000))

    def poll(self, timeout_s: float) -> None:
        """Call what waits for deliveries."""
        producer = self._producer
        if producer is None:
            time.sleep(timeout_s / 10)
        else:
            self._poll(producer, timeout_s)
        for until, old in list(self._retired):
            old.purge()
            old.poll(0)
            if not len(old) and time.monotonic() > until:
                self._retired.remove((until, old))

    def _poll(self, producer: Producer, timeout_s: float) -> None:
        try:
            if self._must_go:
                raise KafkaException(KafkaError(KafkaError._STATE, self._must_go))
            producer.poll(timeout_s)
        except KafkaException as error:  # it is told so once: the broker lost its log, and with it this producer's id
            log.warning("the Kafka producer cannot go on and is replaced", error=reason(error, topic=self._topic))
            self._retire(producer)
            self._doubtful = True
            self._must_go = ""

    def _retire(self, producer: Producer) -> None:
        with self._retiring:
            if self._producer is producer:  # else the other thread has, and there may be a new one
                self._retired.append((time.monotonic() + RETIRED_S, producer))
                self._producer = None

    def replace(self, why: str) -> None:
        """Whoever polls next takes a new one; what the old one has not published is purged, its outcome unknown."""
        self._must_go = why

    def note(self, error: KafkaError) -> None:
        """A delivery failed: is the topic gone, or another one?"""
        self._ids.doubt()
        if error.code() in (KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_OR_PART):
            self._doubtful = True
        elif error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            ask_soon()

    def why(self, error: KafkaError) -> str:
        """Of a delivery that failed, in one line."""
        return reason(error, topic=self._topic)

    def waiting(self) -> int:
        """How many messages wait for their delivery."""
        producers = [self._producer, *(old for _, old in self._retired)]
        return sum(len(each) for each in producers if each is not None)


def producer_config(batch_bytes: int) -> dict[str, Any]:
    """`batch_bytes`: small events together must not be more than the topic takes of one."""
    return {
        **base_config(),
        "client.id": "eventsite-door",
        "compression.type": "lz4",
        "linger.ms": LINGER_MS,
        "delivery.timeout.ms": DELIVERY_TIMEOUT_MS,
        "queue.buffering.max.kbytes": MAX_QUEUED_KIB,
        "queue.buffering.max.messages": MAX_QUEUED_MESSAGES,
        "message.max.bytes": max(BATCH_BYTES, settings.EVENT_MAX_BYTES + OVERHEAD_BYTES),
        "batch.size": batch_bytes,
    }
