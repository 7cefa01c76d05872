"""What the services underneath do at most: the same events read from Kafka and decoded, and their rows by COPY."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import orjson
import psycopg
from confluent_kafka import Consumer, TopicPartition

from bench.events import Kind, records
from bench.figures import Figure
from bench.services import Services
from tests.databases import create_database
from tests.pipeline.log import Topic

BATCH = 2_000  # CONSUMER_BATCH_SIZE's default
WAIT_S = 0.05
FIRST_S = 30
PARTITIONS = 4
TABLE = """
CREATE TABLE copied (
  id text COLLATE "C" PRIMARY KEY, user_id text COLLATE "C", type text, family text, status text, attempts int,
  payload text, received_at timestamptz DEFAULT now());
CREATE INDEX ON copied (received_at);
CREATE INDEX ON copied (user_id, received_at DESC);
CREATE INDEX ON copied (type, received_at DESC)
"""


def measure(services: Services, events: int) -> Iterator[Figure]:
    envelopes, seconds = _read(services.kafka, events)
    yield Figure("limit: librdkafka consumes and orjson decodes them", events / seconds, "events/s")
    yield Figure("limit: their rows by COPY, four indexes", events / _copy(services.database, envelopes), "rows/s")


def _read(servers: str, events: int) -> tuple[list[dict[str, Any]], float]:
    """The envelopes, and the seconds from the first of them."""
    topic = Topic(servers, f"limits-{uuid4().hex[:8]}", "limits", PARTITIONS)
    topic.produce(records(Kind.PLAIN, events))
    reader = Consumer({"bootstrap.servers": servers, "group.id": "limits", "enable.auto.commit": False})
    reader.assign([TopicPartition(topic.name, number, 0) for number in topic.partitions])
    messages = reader.consume(1, FIRST_S)
    started = time.perf_counter()
    envelopes = [orjson.loads(message.value() or b"") for message in messages]
    while len(envelopes) < events:
        envelopes += [orjson.loads(message.value() or b"") for message in reader.consume(BATCH, WAIT_S)]
    seconds = time.perf_counter() - started
    reader.close()
    topic.close()
    return envelopes, seconds


def _copy(server: str, envelopes: list[dict[str, Any]]) -> float:
    """The seconds, a durable commit for each batch."""
    rows = [
        (each["id"], each["userId"], each["type"], "", "processed", 1, orjson.dumps(each["payload"]).decode())
        for each in envelopes
    ]
    with psycopg.connect(create_database(server, "bench_limits", "template1")) as connection:
        connection.execute(TABLE)
        connection.commit()
        started = time.perf_counter()
        with connection.cursor() as cursor:
            for start in range(0, len(rows), BATCH):
                columns = "id, user_id, type, family, status, attempts, payload"
                with cursor.copy(f"COPY copied ({columns}) FROM STDIN") as copy:
                    for row in rows[start : start + BATCH]:
                        copy.write_row(row)
                connection.commit()
        return time.perf_counter() - started
