"""Consumers come and go, all of them at times; one comes back from the dead."""

from __future__ import annotations

import random

import pytest

from tests.pipeline.load import Sent, lane, mixed
from tests.pipeline.log import Place
from tests.pipeline.oracle import Expected, settle_and_check
from tests.pipeline.processes import Process
from tests.pipeline.stack import Stack

pytestmark = pytest.mark.pipeline

SLOW = {"CONSUMER_BATCH_SIZE": "100"}  # so that there is a middle in which to leave
SESSION_S = 6  # longer than the idle-in-transaction timeout


def test_consumers_join_and_leave_during_a_load(stack: Stack) -> None:
    sent = mixed(12_000, users=120, chance=random.Random(5))
    parts = [sent[start : start + 3_200] for start in range(0, len(sent), 3_200)]
    places = stack.produce(event.record() for event in parts[0])
    stack.start("beat")
    stack.start("worker")
    first = stack.start("consumer", **SLOW)
    stack.wait_for_rows(500)

    second = stack.start("consumer", **SLOW)
    _wait_for_partitions(stack, second)
    places += _produce_and_let_begin(stack, parts[1])
    assert first.terminate() == 0

    third = stack.start("consumer", **SLOW)
    _wait_for_partitions(stack, third)
    places += _produce_and_let_begin(stack, parts[2])
    second.kill()
    places += stack.produce(event.record() for event in parts[3])
    settle_and_check(stack, Expected(sent, places))


def test_consumers_that_were_away_longer_than_the_gap_timeout_pass_no_gap(stack: Stack) -> None:
    settings = {**SLOW, "SEQUENCE_GAP_TIMEOUT_MS": "200"}
    users = [f"away-{number}" for number in range(30)]
    evens = [event for user in users for event in lane(user, range(2, 31, 2), family="game")]
    odds = [event for user in users for event in lane(user, range(1, 31, 2), family="game")]
    others = mixed(8_000, users=40, chance=random.Random(6))  # so many that the odds are not read meanwhile
    sent = evens + others + odds
    places = stack.produce(event.record() for event in sent)
    stack.start("beat")
    stack.start("worker")
    consumers = [stack.start("consumer", **settings) for _ in range(2)]
    stack.wait_for_rows(1_500)
    consumers[1].kill()  # first: it would read on while the other ends
    assert consumers[0].terminate() == 0

    more = mixed(2_000, users=40, chance=random.Random(7), prefix="later-")
    places += stack.produce(event.record() for event in more)
    stack.wait_until(
        lambda: bool(stack.value("SELECT now() - max(waiting_since) > '1 s' FROM processing_lane")),
        "every lane has waited five times the gap timeout",
    )
    for _ in range(2):
        stack.start("consumer", **settings)
    settle_and_check(stack, Expected(sent + more, places))


def test_a_frozen_consumer_that_wakes_up_after_another_took_over_changes_nothing(stack: Stack) -> None:
    sent = mixed(8_000, users=80, chance=random.Random(8))
    places = stack.produce(event.record() for event in sent)
    stack.start("beat")
    stack.start("worker")
    settings = {**SLOW, "KAFKA_SESSION_TIMEOUT_MS": f"{SESSION_S}000"}
    zombie = stack.start("consumer", **settings)
    stack.wait_for_rows(1_000)
    zombie.freeze()
    heir = stack.start("consumer", **settings)
    before = stack.count("processing_inboxevent")
    between = mixed(2_000, users=80, chance=random.Random(10), prefix="between-")  # all of `sent` may have been read
    places += stack.produce(event.record() for event in between)
    stack.wait_until(lambda: stack.count("processing_inboxevent") > before + 1_000, "another consumer has taken over")
    stack.watch(SESSION_S / 2)
    zombie.thaw()
    more = mixed(2_000, users=80, chance=random.Random(9), prefix="later-")
    places += stack.produce(event.record() for event in more)
    settle_and_check(stack, Expected(sent + between + more, places))
    assert zombie.terminate() == 0
    assert heir.terminate() == 0


def _wait_for_partitions(stack: Stack, consumer: Process) -> None:
    stack.wait_until(lambda: "got partitions" in consumer.output(), f"{consumer.log.name} has partitions")


def _produce_and_let_begin(stack: Stack, sent: list[Sent]) -> list[Place]:
    before = stack.count("processing_inboxevent")
    places = stack.produce(event.record() for event in sent)
    stack.wait_for_rows(before + 200)
    return places
