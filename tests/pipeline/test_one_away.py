"""The table of "When something is away" in docs/operations.md, a row at a time: what every process says and does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eventsite.local.services.postgres import Postgres
from eventsite.local.services.process import free_port
from eventsite.local.services.service import Service
from eventsite.local.services.valkey import Valkey
from tests.pipeline.conftest import MakeStack
from tests.pipeline.load import Sent
from tests.pipeline.log import Record
from tests.pipeline.oracle import unpublished
from tests.pipeline.stack import Stack
from tests.pipeline.test_frozen_broker import broker, frozen
from tests.support.health import Health, ask_web

__all__ = ["broker"]

pytestmark = pytest.mark.pipeline


def post(stack: Stack, id: str) -> int:
    return ask_web(stack, "/events", {"eventId": id, "userId": id, "type": "t"})[0]


def start(stack: Stack, *names: str) -> list[Health]:
    """Web, and these processes; waits until each can do its work."""
    started = [Health(stack.start(name, METRICS_PORT=str(free_port()))) for name in names]
    stack.start("web")
    stack.wait_until(lambda: ask_web(stack, "/health/ready")[0] == 200, "the web server is ready")
    for each in started:
        stack.wait_until(each.is_ready, "it is ready")
    return started


def told(stack: Stack) -> str:
    """What the web server's readiness says, its status first."""
    status, text = ask_web(stack, "/health/ready")
    return f"{status} {text}"


def test_without_postgres_new_events_are_taken_and_nothing_is_read(postgres: Postgres, make_stack: MakeStack) -> None:
    stack = make_stack(postgres.address)
    stack.manage("migrate", "--verbosity", "0")
    stack.start("beat")
    consumer, worker = start(stack, "consumer", "worker")
    assert post(stack, "before") == 202
    stack.topic.learn_ends()
    stack.wait_until_final(1)
    postgres.stop()
    assert [post(stack, id) for id in ("new", "newer", "before")] == [202, 202, 200]
    assert post(stack, "new") == 503, "whether it is lost cannot be said"
    for path in ("/events", "/product-events", "/userEvents/u", "/events/before"):
        assert ask_web(stack, path)[0] == 503, path
    assert told(stack).startswith("200")
    assert "degraded" in told(stack)
    for each in (consumer, worker):
        assert "postgres" in each.failing()
    postgres.start_again()
    stack.topic.learn_ends()
    stack.wait_until_final(3)
    for each in (consumer, worker):
        stack.wait_until(each.is_ready, "it is ready again")
    assert post(stack, "new") == 200


def test_without_a_worker_retries_and_copies_wait_and_nothing_else(stack: Stack) -> None:
    (consumer,) = start(stack, "consumer")
    sent = [Sent(f"e-{n}", f"u-{n}", fail=n < 5) for n in range(20)]
    stack.produce(event.record() for event in sent)
    stack.produce([Record(b"u", b"no event")])
    stack.wait_until_read(21)
    assert stack.waiting() == 5
    assert unpublished(stack) == 1
    assert consumer.is_ready()
    assert post(stack, "as-ever") == 202
    stack.topic.learn_ends()
    stack.wait_until_read(22)
    for name in ("worker", "beat"):
        stack.start(name)
    stack.wait_until_final(22)
    stack.wait_until(lambda: unpublished(stack) == 0, "the copies are made")
    assert len(stack.dead_letters()) >= 6


def test_a_migration_that_is_missing_is_named_by_every_process(stack: Stack) -> None:
    stack.manage("migrate", "ingest", "zero", "--verbosity", "0")
    consumer, worker = (Health(stack.start(name, METRICS_PORT=str(free_port()))) for name in ("consumer", "worker"))
    stack.start("web")
    for each in (consumer, worker):
        stack.wait_until(each.is_served, "it is there")
        assert "ingest.0001" in each.failing()["migrations"]
    stack.wait_until(lambda: ask_web(stack, "/health/live")[0] == 200, "the web server is up")
    assert told(stack).startswith("503")
    assert "ingest.0001" in told(stack)
    assert ask_web(stack, "/product-events")[0] == 503
    stack.manage("migrate", "--verbosity", "0")
    for each in (consumer, worker):
        stack.wait_until(each.is_ready, "it is ready")
    stack.wait_until(lambda: told(stack).startswith("200"), "the web server is ready")
    assert ask_web(stack, "/product-events")[0] == 200


def test_without_kafka_the_worker_goes_on_and_copies_wait(
    database: str, valkey: Valkey, broker: Service, tmp_path: Path
) -> None:
    stack = Stack(tmp_path, database, valkey.address, broker.address)
    try:
        worker = stack.start("worker", METRICS_PORT=str(free_port()))
        health = Health(worker)
        stack.wait_until(health.is_ready, "the worker is there")
        (consumer,) = start(stack, "consumer")
        worker.freeze()
        sent = [Sent(f"e-{n}", f"u-{n}", fail=True) for n in range(5)]
        stack.produce(event.record() for event in sent)
        stack.wait_until_read(5)
        with frozen(broker):
            stack.start("beat")
            worker.thaw()
            stack.wait_until(lambda: stack.waiting() == 0, "all have used up their tries")
            assert unpublished(stack) == 5
            status, text = ask_web(stack, "/events", {"userId": "u", "type": "t", "eventId": "unknown"})
            assert (status, json.loads(text)["eventId"]) == (503, "unknown")
            stack.wait_until(lambda: "kafka" in consumer.failing(), "the consumer says why")
            assert health.is_ready(), "a worker needs no Kafka"
            assert "kafka" in health.ask("/health/ready")[1].lower()
            assert told(stack).startswith("503")
        stack.wait_until(lambda: unpublished(stack) == 0, "the copies are made")
        stack.wait_until(lambda: told(stack).startswith("200"), "the web server is ready again")
        stack.wait_until(consumer.is_ready, "the consumer is ready again")
        stack.wait_until(lambda: post(stack, "unknown") == 200, "what was queued went on")
        stack.wait_until(lambda: stack.count("processing_inboxevent") == 6, "it is read")
    finally:
        stack.close()
