"""Stores a topic's events in Postgres: arroyo's batch step, and a task that inserts a batch."""

import os
import signal
from collections.abc import Mapping

import orjson
import psycopg
from arroyo import Message, Partition, Topic
from arroyo.backends.kafka import KafkaConsumer, KafkaPayload
from arroyo.backends.kafka.configuration import build_kafka_consumer_configuration
from arroyo.commit import IMMEDIATE
from arroyo.processing.processor import StreamProcessor
from arroyo.processing.strategies import BatchStep, CommitOffsets, ProcessingStrategyFactory, RunTask
from arroyo.processing.strategies.batching import ValuesBatch
from arroyo.types import Commit

INSERT = """INSERT INTO stored (id, user_id, type, payload, occurred_at)
SELECT id, user_id, type, payload, to_timestamp(ms / 1000.0)
FROM unnest(%s::text[], %s::text[], %s::text[], %s::json[], %s::bigint[]) AS e(id, user_id, type, payload, ms)
ON CONFLICT (id) DO NOTHING"""


class Store(ProcessingStrategyFactory[KafkaPayload]):
    def __init__(self) -> None:
        self.db = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)

    def create_with_partitions(self, commit: Commit, partitions: Mapping[Partition, int]) -> BatchStep[KafkaPayload]:
        return BatchStep(2_000, 1.0, RunTask(self.store, CommitOffsets(commit)))

    def store(self, message: Message[ValuesBatch[KafkaPayload]]) -> None:
        events = [orjson.loads(value.payload.value) for value in message.payload]
        rows = [(e["id"], e["userId"], e["type"], orjson.dumps(e["payload"]).decode(), e["timestamp"]) for e in events]
        self.db.execute(INSERT, [list(column) for column in zip(*rows, strict=True)])


configuration = build_kafka_consumer_configuration(
    {"bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"]},
    group_id=os.environ["KAFKA_CONSUMER_GROUP"],
    auto_offset_reset="earliest",
)
processor = StreamProcessor(
    KafkaConsumer(configuration), Topic(os.environ["KAFKA_EVENTS_TOPIC"]), Store(), commit_policy=IMMEDIATE
)
signal.signal(signal.SIGTERM, lambda *_: processor.signal_shutdown())
processor.run()
