"""Revenue adds up to the cent, whatever is killed on the way, by whichever command the file comes, and again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import orjson
import psycopg
import pytest

from tests.paths import DATA
from tests.pipeline.log import Record
from tests.pipeline.stack import Stack
from tests.pipeline.test_products import start_web

pytestmark = pytest.mark.pipeline

FILE = DATA / "revenue_events.jsonl"
KILLS = 3
SLOW = {"CONSUMER_BATCH_SIZE": "10"}  # so that there is a middle in which to be killed
STATE = "SELECT id, status, attempts, final_at, version FROM processing_inboxevent ORDER BY id"
WRITTEN_IN_TURN = (
    "processing_inboxevent",
    "revenue_ledgerentry",
    "processing_hotstateoutbox",
)  # in the one transaction of a batch
INSERTS = "RowExclusiveLock"  # the lock on a table that an INSERT takes
BALANCES = "SELECT user_id, revenue FROM users_revenue ORDER BY user_id"


def test_by_the_door_with_a_consumer_that_is_killed_and_then_by_both_commands_again(stack: Stack) -> None:
    start_web(stack)
    sender = stack.run(f"python manage.py send_events {FILE} --rate 200", ends=True)
    consumer = stack.start("consumer", **SLOW)
    for kill in range(1, KILLS + 1):
        stack.wait_for_rows(kill * lines() // (KILLS + 1))
        consumer.kill()
        consumer = stack.start("consumer", **SLOW)
    assert sender.wait() == 0
    expect_all(stack)
    before = stack.sql(STATE)
    for command in ("send_events", "process_events"):
        assert f"{lines()} already known" in stack.manage(command, str(FILE))
        expect_all(stack)
    assert stack.sql(STATE) == before


def test_straight_into_a_fresh_database_killed_on_the_way_and_then_by_the_door(stack: Stack) -> None:
    stack.start("beat")
    stack.start("worker")
    for table in WRITTEN_IN_TURN:
        with locked(stack, table):
            run = stack.run(f"python manage.py process_events {FILE}", ends=True)
            wait_for_writer(stack, table)
            run.kill()
    stack.manage("process_events", str(FILE))
    expect_balances(stack)
    start_web(stack)
    stack.start("consumer")
    stack.manage("send_events", str(FILE))
    expect_all(stack)


def test_an_owned_type_by_kafka_counts_without_a_family(stack: Stack) -> None:
    """As programs write that know the envelope, and nothing of families."""
    events = [("add_revenue", "10.50"), ("subtract_revenue", 20), ("add_revenue", 0.1)]
    stack.produce(
        Record(
            b"u",
            orjson.dumps({"id": f"e-{n}", "userId": "u", "type": t, "payload": {"value": v}, "timestamp": 10**12 + n}),
        )
        for n, (t, v) in enumerate(events)
    )
    stack.start("consumer")
    stack.wait_until_final(len(events))
    assert stack.sql(BALANCES) == [("u", Decimal("-9.40"))]
    stack.manage("check_revenue")


@contextmanager
def locked(stack: Stack, table: str) -> Iterator[None]:
    """Whoever writes this table stops there until the end of the block."""
    with psycopg.connect(stack.environment["DATABASE_URL"]) as session:
        session.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
        yield


def wait_for_writer(stack: Stack, table: str) -> None:
    waiters = """SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
                 WHERE datname = current_database() AND NOT granted AND mode = %s AND relation = %s::regclass"""
    stack.wait_until(lambda: stack.value(waiters, INSERTS, table) > 0, f"somebody is to write {table}")


def expect_all(stack: Stack) -> None:
    stack.topic.learn_ends()
    stack.wait_until_final(lines())
    expect_balances(stack)


def expect_balances(stack: Stack) -> None:
    assert stack.sql("SELECT status, count(*) FROM processing_inboxevent GROUP BY 1") == [("processed", lines())]
    assert stack.sql(BALANCES) == sorted((user, Decimal(revenue)) for user, revenue in expected().items())
    assert stack.count("revenue_ledgerentry") == lines()
    stack.manage("check_revenue")


def expected() -> dict[str, str]:
    balances: dict[str, str] = orjson.loads((DATA / "revenue_expected.json").read_bytes())
    return balances


def lines() -> int:
    return len(FILE.read_bytes().splitlines())
