"""Postgres or Redis is away for a while, or cuts connections: the pipeline waits, says so, and goes on by itself."""

from __future__ import annotations

import random

import pytest

from eventsite.local.services.postgres import Postgres
from eventsite.local.services.valkey import Valkey
from tests.pipeline.conftest import MakeStack
from tests.pipeline.load import lane, mixed
from tests.pipeline.oracle import Expected, settle_and_check
from tests.pipeline.processes import Process
from tests.pipeline.stack import Stack

pytestmark = pytest.mark.pipeline

SESSION_S = 6  # a busy machine does not let every heartbeat through in time
AWAY_S = 8  # longer than a consumer's session: it must not have left the group


def test_postgres_and_redis_go_away_and_come_back(postgres: Postgres, valkey: Valkey, make_stack: MakeStack) -> None:
    stack = make_stack(postgres.address)
    stack.manage("migrate", "--verbosity", "0")
    consumer, expected = _start_under_load(stack)
    stack.wait_for_rows(1_500)
    postgres.stop()
    stack.watch(AWAY_S)
    postgres.start_again()
    stack.wait_for_rows(4_000)
    valkey.stop()
    late = lane("late", range(1, 51))  # a quick consumer may have read all else, and needs no Redis then
    places = [*expected.places, *stack.produce(event.record() for event in late)]
    stack.watch(AWAY_S)
    valkey.start_again()
    settle_and_check(stack, Expected([*expected.sent, *late], places))
    told = consumer.output()
    assert "Postgres is not fit" in told
    assert "Redis is away" in told
    assert told.count("got partitions") == 1, "the consumer left its group"


def test_cut_connections_are_nobodys_failure(stack: Stack) -> None:
    _, expected = _start_under_load(stack)
    sent, places = list(expected.sent), list(expected.places)
    for number in range(10):
        more = lane(f"late-{number}", range(1, 51))  # a quick consumer may have read all else
        rows = stack.count("processing_inboxevent")
        places += stack.produce(event.record() for event in more)
        sent += more
        stack.wait_for_rows(rows + 1)
        stack.sql(
            """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()"""
        )
    settle_and_check(stack, Expected(sent, places))


def _start_under_load(stack: Stack) -> tuple[Process, Expected]:
    sent = mixed(8_000, users=80, chance=random.Random(13))
    places = stack.produce(event.record() for event in sent)
    stack.start("beat")
    stack.start("worker")
    settings = {"CONSUMER_BATCH_SIZE": "50", "KAFKA_SESSION_TIMEOUT_MS": f"{SESSION_S}000"}
    return stack.start("consumer", **settings), Expected(sent, places)
