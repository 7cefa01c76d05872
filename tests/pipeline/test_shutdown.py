"""SIGTERM: what is in hand is finished, offsets are committed, the group is left."""

from __future__ import annotations

import random

import pytest

from tests.pipeline.load import mixed
from tests.pipeline.oracle import Expected, settle_and_check
from tests.pipeline.stack import Stack

pytestmark = pytest.mark.pipeline


def test_what_is_stored_when_a_consumer_was_asked_to_end_is_committed(stack: Stack) -> None:
    sent = mixed(8_000, users=80, chance=random.Random(15))
    places = stack.produce(event.record() for event in sent)
    beat = stack.start("beat")
    worker = stack.start("worker")
    consumer = stack.start("consumer", CONSUMER_BATCH_SIZE="100")
    stack.wait_for_rows(2_000)
    assert consumer.terminate() == 0

    stored = {id for (id,) in stack.sql("SELECT id FROM inbox")}
    ends = dict.fromkeys(stack.topic.partitions, 0)
    for event, place in zip(sent, places, strict=True):
        if event.id not in stored:
            ends[place.partition] = min(ends[place.partition] or place.offset, place.offset)
    assert stack.topic.committed() == ends
    assert worker.terminate() == 0
    assert beat.terminate() == 0

    for name in ("consumer", "worker", "beat"):
        stack.start(name)
    settle_and_check(stack, Expected(sent, places))
