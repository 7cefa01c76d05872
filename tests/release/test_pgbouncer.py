"""PgBouncer between us and Postgres: as the docs set it up, a transaction's server is another client's in the next."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.paths import ROOT
from tests.pipeline.conftest import MakeStack
from tests.pipeline.load import STARTED_MS, mixed
from tests.pipeline.oracle import Expected, settle_and_check
from tests.pipeline.stack import Stack
from tests.release.debian import needs
from tests.release.pgbouncer import PROGRAM, PgBouncer

pytestmark = [pytest.mark.pipeline, needs("pgbouncer", PROGRAM)]

EVENTS = 8_000
RESTARTS = (1_000, 3_000, 5_000)  # at so many events
POOL = 4  # servers, for more clients than that
FAR_FROM_UTC = "Asia/Kathmandu"  # a server's own time zone, which none of its clients is to see


@pytest.fixture
def bouncer(tmp_path: Path, database: str) -> Iterator[PgBouncer]:
    with PgBouncer(tmp_path / "pgbouncer", database, default_pool_size=str(POOL)) as service:
        yield service


@pytest.fixture
def pooled_stack(database: str, bouncer: PgBouncer, make_stack: MakeStack) -> Stack:
    """Its processes go through PgBouncer, the test itself does not."""
    return make_stack(database, DATABASE_URL=bouncer.address)


def test_the_pipeline_runs_through_pgbouncer_restarted_under_load(pooled_stack: Stack, bouncer: PgBouncer) -> None:
    stack = pooled_stack
    _set_time_zone(stack)
    sent = mixed(EVENTS, users=80, chance=random.Random(31))
    places = stack.produce(event.record() for event in sent)
    for name in ("beat", "worker", "web", "consumer", "consumer"):
        stack.start(name, CONSUMER_BATCH_SIZE="50")
    for reached in RESTARTS:
        stack.wait_for_rows(reached)
        bouncer.start_again()
    settle_and_check(stack, Expected(sent, places))
    assert _read(stack, sent[0].id)["timestamp"] == STARTED_MS
    left = "SELECT (SELECT count(*) FROM pg_class WHERE relpersistence = 't'), (SELECT count(*) FROM pg_locks l JOIN "
    left += "pg_database d ON d.oid = l.database AND d.datname = current_database() WHERE locktype = 'advisory')"
    assert stack.sql(left) == [(0, 0)], "temporary tables, or locks of a session, outlived their transaction"
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    assert 0 < stack.value(sessions) <= POOL


def test_a_consumer_frozen_in_its_transaction_loses_its_locks(pooled_stack: Stack) -> None:
    stack = pooled_stack
    sent = mixed(EVENTS, users=20, chance=random.Random(32))
    places = stack.produce(event.record() for event in sent)
    frozen = stack.start("consumer", CONSUMER_BATCH_SIZE="50")
    stack.wait_for_rows(100)
    in_transaction = """SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                        AND state LIKE 'idle in transaction%%' AND pid <> pg_backend_pid()"""

    def is_caught() -> bool:
        frozen.thaw()
        frozen.freeze()
        return bool(stack.value(in_transaction))

    stack.wait_until(is_caught, "the consumer is frozen in a transaction")
    stack.wait_until(lambda: not stack.value(in_transaction), "its transaction is over", timeout_s=20)
    stack.start("consumer")
    stack.start("worker")
    stack.start("beat")
    frozen.thaw()
    settle_and_check(stack, Expected(sent, places))


def test_the_check_is_content_with_transaction_mode(pooled_stack: Stack) -> None:
    assert "no issues" in pooled_stack.manage("check", "--database", "default")


def test_the_check_names_a_mode_in_which_no_transaction_can_be_made(
    tmp_path: Path, database: str, make_stack: MakeStack
) -> None:
    with PgBouncer(tmp_path / "statements", database, pool_mode="statement") as bouncer:
        done = _manage(make_stack(database, DATABASE_URL=bouncer.address), "check", "--database", "default")
    assert done.returncode == 1
    assert "(processing.E001) no transaction can be made" in done.stderr
    assert "pool_mode = transaction" in done.stderr
    assert "Traceback" not in done.stderr


def test_every_migration_runs_through_pgbouncer(pooled_stack: Stack) -> None:
    pooled_stack.manage("migrate", "ingest", "zero", "--verbosity", "0")
    pooled_stack.manage("migrate", "--verbosity", "0")


def _set_time_zone(stack: Stack) -> None:
    with psycopg.connect(stack.database_url, autocommit=True) as session:
        session.execute(f"ALTER DATABASE {session.info.dbname} SET timezone TO '{FAR_FROM_UTC}'")


def _read(stack: Stack, event_id: str) -> dict[str, Any]:
    url = f"http://127.0.0.1:{stack.environment['WEB_PORT']}/events/{event_id}"
    event: dict[str, Any] = httpx.get(url).raise_for_status().json()
    return event


def _manage(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=stack.environment,
        capture_output=True,
        text=True,
        check=False,
    )
