"""How fast a consumer drains a prefilled topic, beside what librdkafka and Postgres do at most."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice

import psycopg
from confluent_kafka import Consumer, TopicPartition

from bench.events import Kind, records
from bench.figures import Figure
from bench.site import Services, peak_mb, site, wait_until_committed
from processing.domain.envelope import Envelope, decode_envelope
from tests.pipeline.log import Topic
from tests.pipeline.stack import Stack

BATCH = 2_000  # CONSUMER_BATCH_SIZE's default
FILL = 10_000
WAIT_S = 0.05
TARGETS = {Kind.PLAIN: 25_000, Kind.NUMBERED: 15_000, Kind.GAMES: None}
PEAK_MB = 300


def measure(services: Services, events: int) -> Iterator[Figure]:
    for kind in Kind:
        with site(services, f"consume_{kind.name.lower()}") as stack:
            fill(stack, kind, events)
            yield from _drain(stack, kind, events)
            if kind is Kind.PLAIN:
                envelopes, seconds = _read(stack.topic, services.kafka, events)
                yield Figure("  raw limit: librdkafka consume and decode", events / seconds, "events/s")
                yield Figure("  raw limit: the same rows by COPY", events / _copy(stack, envelopes), "rows/s")


def fill(stack: Stack, kind: Kind, events: int) -> None:
    source = records(kind, events)
    while part := list(islice(source, FILL)):
        stack.produce(part)


def _drain(stack: Stack, kind: Kind, events: int) -> Iterator[Figure]:
    consumer = stack.start("consumer")
    wait_until_committed(stack, events, f"consume, {kind}")
    ended = time.time()
    assert stack.count("processing_inboxevent") == events
    started = float(stack.value("SELECT extract(epoch FROM min(received_at)) FROM processing_inboxevent"))
    yield Figure(f"consumer, {kind}", events / (ended - started), "events/s", TARGETS[kind])
    yield Figure(f"  its peak memory, {kind}", peak_mb(consumer), "MB", PEAK_MB, at_most=True)
    consumer.terminate()


def _read(topic: Topic, servers: str, events: int) -> tuple[list[Envelope], float]:
    """Poll and decode everything once more, and nothing else."""
    reader = Consumer({"bootstrap.servers": servers, "group.id": "bench-reader", "enable.auto.commit": False})
    reader.assign([TopicPartition(topic.name, number, 0) for number in topic.partitions])
    envelopes: list[Envelope] = []
    first = reader.consume(1, 30)
    started = time.perf_counter()
    while len(envelopes) + len(first) < events:
        envelopes += [decode_envelope(message.value() or b"") for message in reader.consume(BATCH, WAIT_S)]
    seconds = time.perf_counter() - started
    reader.close()
    return envelopes, seconds


def _copy(stack: Stack, envelopes: list[Envelope]) -> float:
    """Seconds that the rows take by COPY into an inbox with its indexes, a durable commit for each batch."""
    stack.sql("CREATE TABLE copied (LIKE inbox INCLUDING ALL)")
    rows = [(e.id, e.userId, e.type, "", "processed", 1, bytes(e.payload).decode()) for e in envelopes]
    started = time.perf_counter()
    with psycopg.connect(stack.environment["DATABASE_URL"]) as connection, connection.cursor() as cursor:
        for start in range(0, len(rows), BATCH):
            with cursor.copy("COPY copied (id, user_id, type, family, status, attempts, payload) FROM STDIN") as copy:
                for row in rows[start : start + BATCH]:
                    copy.write_row(row)
            connection.commit()
    return time.perf_counter() - started
