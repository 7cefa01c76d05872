"""Stores a topic's events in Postgres: FastStream on confluent-kafka, a batch at a time."""

import asyncio
import os

import orjson
import psycopg
from faststream import AckPolicy, FastStream
from faststream.confluent import KafkaBroker
from pydantic import BaseModel

INSERT = """INSERT INTO stored (id, user_id, type, payload, occurred_at)
SELECT id, user_id, type, payload, to_timestamp(ms / 1000.0)
FROM unnest(%s::text[], %s::text[], %s::text[], %s::json[], %s::bigint[]) AS e(id, user_id, type, payload, ms)
ON CONFLICT (id) DO NOTHING"""

broker = KafkaBroker(os.environ["KAFKA_BOOTSTRAP_SERVERS"], logger=None)
app = FastStream(broker)
connections: list[psycopg.AsyncConnection] = []


class Event(BaseModel):
    id: str
    userId: str  # noqa: N815
    type: str
    payload: dict[str, object]
    timestamp: int


@app.on_startup
async def connect() -> None:
    connections.append(await psycopg.AsyncConnection.connect(os.environ["DATABASE_URL"], autocommit=True))


@broker.subscriber(
    os.environ["KAFKA_EVENTS_TOPIC"],
    group_id=os.environ["KAFKA_CONSUMER_GROUP"],
    auto_offset_reset="earliest",
    batch=True,
    max_records=2_000,
    ack_policy=AckPolicy.NACK_ON_ERROR,
)
async def store(events: list[Event]) -> None:
    rows = [(e.id, e.userId, e.type, orjson.dumps(e.payload).decode(), e.timestamp) for e in events]
    await connections[0].execute(INSERT, [list(column) for column in zip(*rows, strict=True)])


if __name__ == "__main__":
    asyncio.run(app.run())
