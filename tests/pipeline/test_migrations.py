"""A process whose database lacks a migration of its code waits for it."""

from __future__ import annotations

import pytest

from tests.pipeline.conftest import MakeStack
from tests.pipeline.load import lane
from tests.pipeline.oracle import Expected, settle_and_check
from tests.pipeline.stack import Stack

pytestmark = pytest.mark.pipeline


def test_a_consumer_waits_for_the_first_migration_and_names_it(empty_database: str, make_stack: MakeStack) -> None:
    stack = make_stack(empty_database)
    sent = lane("early", range(1, 101), family="game")
    places = stack.produce(event.record() for event in sent)
    consumer = stack.start("consumer")
    stack.wait_until(lambda: "processing.0001_initial" in consumer.output(), "it names the migration")
    stack.manage("migrate", "--verbosity", "0")
    settle_and_check(stack, Expected(sent, places))


@pytest.mark.parametrize("app", ["ingest", "processing"])
def test_a_step_back_and_forth_under_a_running_consumer_is_nobodys_failure(stack: Stack, app: str) -> None:
    consumer = stack.start("consumer")
    stack.wait_until(lambda: "got partitions" in consumer.output(), "it consumes")
    stack.manage("migrate", app, "zero", "--verbosity", "0")
    sent = lane("stepped", range(1, 101), family="game")
    places = stack.produce(event.record() for event in sent)
    stack.wait_until(lambda: f"{app}.0001" in consumer.output(), "it names the migration")
    stack.manage("migrate", "--verbosity", "0")
    settle_and_check(stack, Expected(sent, places))
