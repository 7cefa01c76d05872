"""The Kafka side of the consumer, on a real broker."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event as Flag
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition

from eventsite.local.services.tansu import Tansu
from processing.consumer import poller
from processing.consumer.poller import Poller
from processing.kafka.clients import ensure_topics, producer_config
from tests.support.batches import value
from tests.support.frozen import freeze, thaw

WITHIN_S = 30  # half of the minute that librdkafka waits for an answer


def until(condition: Callable[[], object], *steps: Callable[[], None]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline
        for step in steps:
            step()


def produce(topic: str, text: bytes) -> None:
    producer = Producer(producer_config())
    producer.produce(topic, text)
    producer.flush(10)


@pytest.mark.django_db(transaction=True)
def test_a_partition_that_went_while_it_was_paused_is_read_when_it_comes_back(topics: Callable[..., str]) -> None:
    topic = topics("events")
    intake = Poller([topic], f"group-of-{topic}", 10, Flag())
    consumer = intake._consumer

    def subscribe() -> None:
        consumer.subscribe([topic], on_assign=intake._assigned, on_revoke=intake._revoked, on_lost=intake._lost)
        until(consumer.assignment, lambda: intake._poll(0.1))

    def events() -> int:
        return sum(len(batch) for batch in intake._in_hand)

    try:
        subscribe()
        intake._pause()
        consumer.unsubscribe()
        until(lambda: not consumer.assignment(), lambda: intake._poll(0.1))
        intake._resume()  # as each step does, while nothing is assigned
        produce(topic, value("a"))
        subscribe()
        until(events, intake._resume, lambda: intake._poll(0.1))
    finally:
        consumer.close()


@pytest.fixture
def broker(tmp_path: Path, settings: Any) -> Iterator[Tansu]:
    """One of this test's own, which it may freeze."""
    with Tansu(tmp_path / "broker") as service:
        settings.KAFKA_CLIENT_CONFIG = {"bootstrap.servers": service.address}
        yield service


def with_a_result_to_commit(topic: str) -> Poller:
    """An intake that has stored the topic's only message."""
    produce(topic, value("a"))
    intake = Poller([topic], f"group-of-{topic}", 10, Flag())
    consumer = intake._consumer
    consumer.subscribe([topic], on_assign=intake._assigned, on_revoke=intake._revoked, on_lost=intake._lost)
    intake._stages.start()
    until(lambda: any(p.done for p in intake._partitions), lambda: intake._poll(0.1), lambda: intake._hand_over(0.1))
    until(intake._is_idle, lambda: intake._hand_over(0.1))
    return intake


@pytest.mark.django_db(transaction=True)
def test_an_end_waits_until_kafka_has_the_last_commit(
    topics: Callable[..., str], redis: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poller, "COMMIT_TIMEOUT_S", WITHIN_S)
    topic = topics("events")
    intake = with_a_result_to_commit(topic)
    intake._stages.finish(WITHIN_S)
    intake._commit_in_time()
    assert intake._unanswered == 0
    assert intake._consumer.committed([TopicPartition(topic, 0)], timeout=10)[0].offset == 1
    intake._close()


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_hangs_holds_up_neither_a_revocation_nor_the_end(broker: Tansu, redis: object) -> None:
    ensure_topics(["events"])
    intake = with_a_result_to_commit("events")
    assert broker.process is not None
    freeze(broker.process.pid)
    try:
        began = time.monotonic()
        intake._revoked(intake._consumer, intake._consumer.assignment())
        intake._commit_in_time()
        assert intake._unanswered == 1
        intake._close()
        assert time.monotonic() - began < WITHIN_S
    finally:
        thaw(broker.process.pid)
        intake._stages.finish(WITHIN_S)
        for thread in threading.enumerate():
            if thread.name == "kafka close":
                thread.join(WITHIN_S)
