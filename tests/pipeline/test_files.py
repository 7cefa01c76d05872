"""Files applied by processes that are killed, frozen, doubled, or wait for Postgres: every line counts once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from eventsite.local.services.postgres import Postgres
from tests.pipeline.conftest import MakeStack
from tests.pipeline.log import Record
from tests.pipeline.processes import Process
from tests.pipeline.stack import Stack

pytestmark = pytest.mark.pipeline

LINES = 30_000  # five times what a run stores in one step
USERS = 100
KILLS = (0.1, 0.4, 0.7)  # after so much of the file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Changes of revenue, one in ten twice, and a broken line; without ids."""
    path = tmp_path / "revenue.jsonl"
    path.write_bytes(b"\n".join(lines()))
    return path


def lines() -> Iterator[bytes]:
    for number in range(LINES):
        name = "subtract_revenue" if number % 3 == 0 else "add_revenue"
        content = number - 1 if number % 10 == 9 else number
        yield orjson.dumps({"userId": f"u-{content % USERS}", "name": name, "value": content % 1000 / 100})
    yield b"broken"


def start(stack: Stack, file: Path) -> Process:
    log = file.with_suffix(f".{len(stack.processes)}.log")
    process = Process(f"python manage.py process_events {file}", stack.environment, log)
    process.meant_to_run = False  # it ends by itself
    stack.processes.append(process)
    return process


def wait_until_ended(stack: Stack, *processes: Process) -> None:
    stack.wait_until(lambda: not any(process.is_running() for process in processes), "process_events has ended")


def check(stack: Stack) -> None:
    """Each line counts once, in Postgres and in Redis."""
    assert stack.count("processing_inboxevent") == stack.count("revenue_ledgerentry") == LINES
    assert stack.value("SELECT count(*) FROM processing_inboxevent WHERE status <> 'processed' OR attempts <> 1") == 0
    expected: dict[str, int] = {}
    for line in map(orjson.loads, list(lines())[:-1]):
        cents = round(line["value"] * 100) * (1 if line["name"] == "add_revenue" else -1)
        expected[line["userId"]] = expected.get(line["userId"], 0) + cents
    assert dict(stack.sql("SELECT user_id, (revenue * 100)::int FROM users_revenue")) == expected
    stack.wait_until(
        lambda: stack.count("processing_hotstateoutbox") == 0, "a sweep has written the rest of the hot state"
    )
    assert sum(1 for _ in stack.redis.scan_iter("event:*", 10_000)) == LINES


def test_a_run_that_is_killed_and_started_again_counts_every_line_once(stack: Stack, file: Path) -> None:
    for name in ("worker", "beat"):
        stack.start(name)
    for share in KILLS:
        run = start(stack, file)
        stack.wait_for_rows(int(share * LINES))
        run.kill()
    last = start(stack, file)
    wait_until_ended(stack, last)
    assert f"line {LINES + 1}: is not valid JSON" in last.output()
    assert "already known, 1 refused" in last.output()
    check(stack)


def test_two_runs_of_a_file_at_once_and_a_third(stack: Stack, file: Path) -> None:
    for name in ("worker", "beat"):
        stack.start(name)
    wait_until_ended(stack, start(stack, file), start(stack, file))
    assert stack.value("SELECT sum(new_lines) FROM processing_importrun") == LINES
    third = start(stack, file)
    wait_until_ended(stack, third)
    assert f"0 applied, {LINES} already known, 1 refused" in third.output()
    check(stack)


def test_a_run_that_is_frozen_goes_on(stack: Stack, file: Path) -> None:
    for name in ("worker", "beat"):  # their heartbeats end a session that stands still within a statement, and a sweep
        stack.start(name)  # writes the hot state that the run leaves
    run = start(stack, file)
    stack.wait_for_rows(1)
    run.freeze()
    stack.wait_until(lambda: not stack.value(IN_TRANSACTION), "the frozen session holds no lock")
    run.thaw()
    wait_until_ended(stack, run)
    check(stack)


IN_TRANSACTION = """SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
                    AND state <> 'idle'"""


def test_a_run_waits_for_postgres_and_says_so(postgres: Postgres, make_stack: MakeStack, file: Path) -> None:
    stack = make_stack(postgres.address)
    stack.manage("migrate", "--verbosity", "0")
    run = start(stack, file)
    stack.wait_for_rows(1)
    postgres.stop()
    stack.wait_until(lambda: "Postgres is not fit" in run.output(), "the run says that it waits")
    postgres.start_again()
    for name in ("worker", "beat"):
        stack.start(name)
    wait_until_ended(stack, run)
    check(stack)


def test_a_run_waits_for_migrations_naming_them(empty_database: str, make_stack: MakeStack, file: Path) -> None:
    stack = make_stack(empty_database)
    run = start(stack, file)
    stack.wait_until(lambda: "processing.0001_initial" in run.output(), "the run names what is missing")
    stack.manage("migrate", "--verbosity", "0")
    wait_until_ended(stack, run)
    check(stack)


def test_a_run_ends_on_sigterm_and_the_next_goes_on(stack: Stack, file: Path) -> None:
    run = start(stack, file)
    stack.wait_for_rows(1)
    assert run.terminate() == 1
    assert "run it again to go on" in run.output()
    wait_until_ended(stack, start(stack, file))
    assert (
        stack.value("SELECT count(*) FROM processing_importrun WHERE ended_at IS NULL") == 1
    )  # the one that broke off
    check(stack)


def test_a_lane_that_a_file_left_behind_a_gap_waits_for_the_run_and_for_what_kafka_still_has(
    stack: Stack, tmp_path: Path
) -> None:
    """seq 1 and 2 stand in Kafka, unread; the file has 4, and nobody has 3."""

    def numbered(seq: int) -> bytes:
        event = {"userId": "u", "type": "t", "payload": {"seq": seq}}
        return orjson.dumps(event | {"eventId": f"e-{seq}"})

    path = tmp_path / "lanes.jsonl"
    path.write_bytes(numbered(4))
    envelope = {"userId": "u", "type": "t", "timestamp": 1_790_000_000_000}
    stack.produce(Record(b"u", orjson.dumps(envelope | {"id": f"k-{seq}", "payload": {"seq": seq}})) for seq in (2, 1))
    for name in ("worker", "beat"):
        stack.start(name)
    wait_until_ended(stack, start(stack, path))
    stack.wait_until(
        lambda: bool(stack.value("SELECT count(watermarks) FROM processing_importrun")), "the end of the log is noted"
    )
    assert stack.value("SELECT status FROM processing_inboxevent WHERE id = 'e-4'") == "held"
    stack.start("consumer")
    stack.wait_until_final(3)
    assert stack.redis.lrange("order:u", 0, -1) == ["1", "2", "4"]
