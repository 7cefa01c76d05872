"""Celery on RabbitMQ: it goes away and comes back, and nobody is started again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.conftest import MakeStack
from tests.pipeline.load import Sent, mixed
from tests.pipeline.oracle import Expected, settle_and_check
from tests.pipeline.stack import Stack
from tests.release.debian import RABBITMQ, RabbitMQ, needs

pytestmark = [pytest.mark.pipeline, needs("rabbitmq-server", RABBITMQ)]

AGAIN_WITHIN_S = 10  # of a service that is back


@pytest.fixture
def rabbitmq(tmp_path: Path) -> Iterator[RabbitMQ]:
    service = RabbitMQ(tmp_path / "rabbitmq")
    service.start()
    yield service
    service.close()


def stack_on(rabbitmq: RabbitMQ, make_stack: MakeStack, database: str) -> Stack:
    return make_stack(database, CELERY_BROKER_URL=rabbitmq.address)


def test_a_restart_of_rabbitmq_leaves_beat_worker_and_consumer_going_on(
    rabbitmq: RabbitMQ, make_stack: MakeStack, database: str
) -> None:
    stack = stack_on(rabbitmq, make_stack, database)
    processes = [stack.start(name) for name in ("beat", "worker", "consumer")]
    sent = mixed(3_000, users=80, chance=random.Random(3))
    places = stack.produce(event.record() for event in sent[:1_000])
    for start in (1_000, 2_000):
        rabbitmq.stop()
        places += stack.produce(event.record() for event in sent[start : start + 1_000 if start < 2_000 else None])
        stack.wait_until_read(1)
        assert stack.waiting(), "without Celery nothing is retried"
        rabbitmq.start_again()
        stack.wait_until(lambda: stack.waiting() == 0, "what was left is swept", AGAIN_WITHIN_S)
    assert all(process.is_running() for process in processes)
    settle_and_check(stack, Expected(sent, places))


def test_a_consumer_is_not_held_up_by_a_rabbitmq_that_hangs(
    rabbitmq: RabbitMQ, make_stack: MakeStack, database: str
) -> None:
    stack = stack_on(rabbitmq, make_stack, database)
    sent = [Sent(f"e-{n}", f"u-{n}", fail=n % 10 == 0) for n in range(2_000)]
    places = stack.produce(event.record() for event in sent[:1_000])
    stack.start("consumer", CONSUMER_BATCH_SIZE="50")
    stack.wait_until_read(1_000)
    rabbitmq.freeze()
    places += stack.produce(event.record() for event in sent[1_000:])
    stack.wait_until_read(2_000)
    rabbitmq.thaw()
    stack.start("beat")
    stack.start("worker")
    settle_and_check(stack, Expected(sent, places))
