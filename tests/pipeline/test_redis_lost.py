"""Redis is emptied under load, Celery's queue with it: nothing of the truth was there."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.pipeline.load import mixed
from tests.pipeline.oracle import Expected, check, settle_and_check
from tests.pipeline.stack import Stack

pytestmark = pytest.mark.pipeline


def test_an_emptied_redis_costs_nothing_but_old_hot_state_which_can_be_rebuilt(stack: Stack) -> None:
    sent = mixed(10_000, users=100, chance=random.Random(11))
    places = stack.produce(event.record() for event in sent)
    stack.start("beat")
    stack.start("worker")
    stack.start("consumer", CONSUMER_BATCH_SIZE="100")
    stack.wait_for_rows(5_000)
    stack.redis.flushall()
    expected = Expected(sent, places, hot_since=datetime.now(UTC))
    settle_and_check(stack, expected)
    stack.manage("rebuild_hot_state")
    check(stack, replace(expected, hot_since=None))
