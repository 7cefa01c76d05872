"""Other producers' transactions: what an open one holds up is named and waited for, what was aborted is nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from tests.pipeline.log import Record
from tests.pipeline.stack import Stack, only_on_real_kafka
from tests.support.factories import envelope

pytestmark = [pytest.mark.pipeline, only_on_real_kafka("Tansu has no last stable offset")]
USER = "u-1"
Transactional = Callable[[], Producer]


@pytest.fixture
def transactional(stack: Stack) -> Transactional:
    """Makes producers with a transaction that is open; the broker aborts those that nobody ends."""

    def make() -> Producer:
        producer = Producer({"bootstrap.servers": stack.kafka, "transactional.id": uuid4().hex})
        producer.init_transactions(30)
        producer.begin_transaction()
        return producer

    return make


def write(stack: Stack, producer: Producer, *ids: str, partition: int) -> None:
    for id in ids:
        producer.produce(stack.topic.name, envelope(id, user_id=id), id.encode(), partition)
    assert producer.flush(30) == 0


def record(id: str, **payload: Any) -> Record:
    return Record(USER.encode(), envelope(id, user_id=USER, **payload))


def statuses(stack: Stack) -> dict[str, str]:
    return dict(stack.sql("SELECT id, status FROM processing_inboxevent"))


def open_transactions(stack: Stack) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(stack.manage("pipeline_status", "--json"))["openTransactions"]
    return found


def test_what_stands_behind_an_open_transaction_is_no_gap(stack: Stack, transactional: Transactional) -> None:
    stack.start("consumer")
    (place,) = stack.produce([record("second", seq=2)])
    producer = transactional()
    write(stack, producer, "of-another", partition=place.partition)
    stack.wait_until(lambda: statuses(stack) == {"second": "held"}, "it is held")
    stack.produce([record("first", seq=1)])  # nobody can read it before the transaction ends

    def long_enough() -> bool:
        return any((each["heldUpSeconds"] or 0) > 4 for each in open_transactions(stack))

    stack.wait_until(long_enough, "the gap's time has been over for long")
    assert statuses(stack) == {"second": "held"}
    status = json.loads(stack.manage("pipeline_status", "--json"))
    (named,) = status["openTransactions"]
    assert (named["topic"], named["partition"], named["offset"]) == (stack.topic.name, place.partition, 1)
    assert 0 <= (datetime.now(UTC) - datetime.fromisoformat(named["since"])).total_seconds() < 120
    assert status["lag"] == 2
    assert "holds up offset 1 for " in stack.manage("pipeline_status")

    producer.commit_transaction(30)
    stack.wait_until(lambda: set(statuses(stack).values()) == {"processed"}, "all took effect")
    assert len(statuses(stack)) == 3
    assert stack.value("SELECT count(*) FROM processing_passedgap") == 0
    wait_for_no_lag(stack)
    assert open_transactions(stack) == []


def wait_for_no_lag(stack: Stack) -> None:
    def caught_up() -> bool:
        status = json.loads(stack.manage("pipeline_status", "--json"))
        return bool(status["lag"] == 0 and all(each["lag"] == 0 for each in status["partitions"]))

    stack.wait_until(caught_up, "nothing is left")


def test_once_waits_for_an_open_transaction_and_names_it(stack: Stack, transactional: Transactional) -> None:
    producer = transactional()
    write(stack, producer, "of-another", partition=2)
    consumer = stack.run("python manage.py consume_kafka --once", ends=True)
    stack.wait_until(lambda: "waiting for an open transaction" in consumer.output(), "it is named")
    assert consumer.is_running()
    producer.commit_transaction(30)
    assert consumer.wait() == 0
    assert statuses(stack) == {"of-another": "processed"}


def test_once_that_is_ended_before_has_status_1(stack: Stack, transactional: Transactional) -> None:
    write(stack, transactional(), "of-another", partition=2)
    consumer = stack.run("python manage.py consume_kafka --once", ends=True)
    stack.wait_until(lambda: "waiting for an open transaction" in consumer.output(), "it is named")
    assert consumer.terminate() == 1
    assert "stopped before all that the log holds was done" in consumer.output()


def test_an_aborted_transaction_leaves_no_event_and_no_lag(stack: Stack, transactional: Transactional) -> None:
    stack.start("consumer")
    for _ in range(2):
        producer = transactional()
        write(stack, producer, "never", "nor-this", partition=1)
        producer.abort_transaction(30)
    stack.produce([record("a")])
    stack.wait_until(lambda: statuses(stack) == {"a": "processed"}, "the other one is processed")
    wait_for_no_lag(stack)
    committed = stack.topic.committed()
    assert committed[1] == 6, "two messages and a marker each"
    assert all(offset >= 0 for offset in committed.values()), "of partitions without messages too"
    again = stack.run("python manage.py consume_kafka --once", ends=True)
    stack.processes[0].terminate()
    assert again.wait() == 0
    assert statuses(stack) == {"a": "processed"}
