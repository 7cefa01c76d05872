"""Processes die at any moment: nothing is lost, nothing happens twice, order holds."""

from __future__ import annotations

import random

import pytest

from tests.pipeline.load import Sent, mixed, poisons
from tests.pipeline.log import Place, Record
from tests.pipeline.oracle import Expected, settle_and_check
from tests.pipeline.stack import Stack

pytestmark = pytest.mark.pipeline

EVENTS = 20_000
CONSUMER_KILLS = 5
WORKER_KILLS = (1, 3)  # together with these of the consumer's
SLOW = {"CONSUMER_BATCH_SIZE": "100"}  # so that there is a middle in which to be killed


def test_a_killed_consumer_and_a_killed_worker_change_nothing(stack: Stack) -> None:
    chance = random.Random(3)
    expected = _produce(stack, mixed(EVENTS, users=200, chance=chance), list(poisons()) * 3, chance)
    moments = sorted(chance.uniform(0.02, 0.9) for _ in range(CONSUMER_KILLS))
    stack.start("beat")
    worker = stack.start("worker")
    consumer = stack.start("consumer", **SLOW)
    for number, moment in enumerate(moments):
        stack.wait_for_rows(int(moment * expected.count))
        consumer.kill()
        if number in WORKER_KILLS:
            worker.kill()
            worker = stack.start("worker")
        consumer = stack.start("consumer", **SLOW)
    settle_and_check(stack, expected)


def _produce(stack: Stack, sent: list[Sent], spoilt: list[Record], chance: random.Random) -> Expected:
    """Send these, the poison strewn among the events."""
    at = sorted(chance.randrange(len(sent)) for _ in spoilt)
    places: list[Place] = []
    poison: list[tuple[Record, Place]] = []
    start = 0
    for record, end in zip(spoilt, at, strict=True):
        places += stack.produce(event.record() for event in sent[start:end])
        poison += [(record, place) for place in stack.produce([record])]
        start = end
    places += stack.produce(event.record() for event in sent[start:])
    return Expected(sent, places, poison)
