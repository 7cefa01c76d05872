"""What the door's tests share: a door of their own, on a topic of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
from django.conf import settings as site
from django.test import Client
from redis import Redis

from ingest.api_keys.callers import forget_cached
from ingest.publishing import backpressure, batcher, reservations
from ingest.publishing.per_process import PerProcess
from processing.engine import enqueue
from processing.engine.after_commit import _window
from processing.health import checks
from processing.kafka import lag
from tests.support import flaky

READ_TIMEOUT_S = 10.0


@pytest.fixture
def door(settings: Any, redis: Redis, topics: Callable[..., str], restart: Callable[[], None], db: None) -> str:
    """A door with nothing behind it yet; its topic. It asks Postgres about events that are known and not final."""
    settings.KAFKA_EVENTS_TOPIC = topics("door-events", partitions=2)
    settings.BACKPRESSURE_MAX_LAG = 0
    return str(settings.KAFKA_EVENTS_TOPIC)


@pytest.fixture
def restart(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """The door as after a restart of the process, for settings that are read then; again whenever it is called."""
    gates: list[batcher.Batcher] = []

    def start() -> batcher.Batcher:
        gates.append(batcher.Batcher())
        return gates[-1]

    def again() -> None:
        monkeypatch.setattr(batcher, "_batcher", PerProcess(start))
        monkeypatch.setattr(backpressure, "_monitor", PerProcess(backpressure.Monitor))
        # so long that no test depends on its own speed
        monkeypatch.setattr(reservations, "WINDOW_US", 600_000_000)
        monkeypatch.setattr(backpressure, "FIRST_READING_S", 60.0)
        forget_cached()

    again()
    yield again
    for each in gates:
        each.stop()


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What health, and the watch of the backlog, ask of services that are there may take as long as it does."""
    monkeypatch.setattr(lag, "TIMEOUT_S", 20.0)
    monkeypatch.setattr(checks, "ANSWER_S", 60.0)


@pytest.fixture
def post(client: Client) -> Callable[..., Any]:
    """`post("/events", {...}, Idempotency_Key=…)`: a body that is bytes is sent as it is."""

    def send(path: str, body: Any, **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.post(path, body, content_type="application/json", headers=named)

    return send


@pytest.fixture
def hinted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids that Celery was told of; no worker runs here."""
    flaky.runs.clear()
    _window.forget()
    told: list[str] = []
    monkeypatch.setattr(enqueue, "enqueue_retries", lambda retries: told.extend(id for id, _ in retries))
    return told


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    """`file({...}, b"…")`: a file of these lines."""

    def write(*lines: Any, name: str = "lines.jsonl") -> Path:
        path = tmp_path / name
        path.write_bytes(b"\n".join(line if isinstance(line, bytes) else orjson.dumps(line) for line in lines))
        return path

    return write


def read_topic(topic: str, partitions: int = 2) -> list[Message]:
    """All messages of a topic, to its end."""
    consumer = Consumer({**site.KAFKA_CLIENT_CONFIG, "group.id": f"readers-of-{topic}", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, each, 0) for each in range(partitions)])
    try:
        return list(_to_the_end(consumer, partitions))
    finally:
        consumer.close()


def _to_the_end(consumer: Consumer, open_partitions: int) -> Iterator[Message]:
    while open_partitions:
        message = consumer.poll(READ_TIMEOUT_S)
        assert message is not None, "the end of the topic did not come"
        error = message.error()
        if error is None:
            yield message
        else:
            assert error.code() == KafkaError._PARTITION_EOF, error
            open_partitions -= 1
