"""Stores a topic's events in Postgres: Quix Streams, and a sink of our own on its batching one."""

import os

import orjson
import psycopg
from quixstreams import Application
from quixstreams.sinks import BatchingSink, SinkBatch

INSERT = """INSERT INTO stored (id, user_id, type, payload, occurred_at)
SELECT id, user_id, type, payload, to_timestamp(ms / 1000.0)
FROM unnest(%s::text[], %s::text[], %s::text[], %s::json[], %s::bigint[]) AS e(id, user_id, type, payload, ms)
ON CONFLICT (id) DO NOTHING"""


class Stored(BatchingSink):
    def setup(self) -> None:
        self.db = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)

    def write(self, batch: SinkBatch) -> None:
        rows = [
            (e["id"], e["userId"], e["type"], orjson.dumps(e["payload"]).decode(), e["timestamp"])
            for e in (item.value for item in batch)
        ]
        self.db.execute(INSERT, [list(column) for column in zip(*rows, strict=True)])


app = Application(
    os.environ["KAFKA_BOOTSTRAP_SERVERS"],
    consumer_group=os.environ["KAFKA_CONSUMER_GROUP"],
    auto_offset_reset="earliest",
    commit_every=8_000,
    commit_interval=1.0,
    consumer_poll_timeout=0.05,  # else the last events wait for a second
    loglevel="WARNING",
)
app.dataframe(app.topic(os.environ["KAFKA_EVENTS_TOPIC"], value_deserializer="json")).sink(Stored())
app.run()
