"""The Kafka side of the consumer, on a real broker."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event as Flag

import pytest
from confluent_kafka import Producer

from processing.consumer.poller import Poller
from processing.kafka.clients import producer_config
from tests.processing.batches import value

WITHIN_S = 30


def until(condition: Callable[[], object], *steps: Callable[[], None]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline
        for step in steps:
            step()


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
        producer = Producer(producer_config())
        producer.produce(topic, value("a"))
        producer.flush(10)
        subscribe()
        until(events, intake._resume, lambda: intake._poll(0.1))
    finally:
        consumer.close()
