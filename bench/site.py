"""Services and processes of a measurement: durable Postgres, Redis with its log, a real Kafka where it can be."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from redis import Redis
from tqdm import tqdm

from eventsite.local.services.kafka import Kafka
from eventsite.local.services.postgres import Postgres
from eventsite.local.services.process import port_is_open
from eventsite.local.services.service import Service
from eventsite.local.services.tansu import Tansu
from eventsite.local.services.valkey import Valkey
from tests.databases import create_database
from tests.pipeline.processes import ROOT, Process
from tests.pipeline.stack import Stack

PRODUCTION = {
    "DEBUG": "0",
    "SECRET_KEY": "of a measurement",
    "INGEST_REQUIRE_API_KEY": "0",
    "FAULT_INJECTION": "0",
    "BACKPRESSURE_MAX_LAG": "0",  # the intake is measured by itself
}
DRAIN_S = 600
POLL_S = 0.05


@dataclass
class Services:
    folder: Path
    database: str
    redis: str
    kafka: str
    real_kafka: bool


@contextmanager
def services(*, embedded_broker: bool) -> Iterator[Services]:
    """All services, up during the block; their data goes with it."""
    real = not embedded_broker and bool(shutil.which("java"))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True)))
        folder.chmod(0o755)  # Postgres may run as another user
        broker: Service = Kafka(folder / "kafka", ROOT / "var" / "kafka-libs") if real else Tansu(folder / "broker")
        up = [stack.enter_context(s) for s in (Postgres(folder / "postgres"), Valkey(folder / "redis"), broker)]
        yield Services(folder, up[0].address, up[1].address, up[2].address, real)


@contextmanager
def site(services: Services, name: str, **settings: str) -> Iterator[Stack]:
    """A pipeline on a new database, an empty Redis and topics of its own."""
    with Redis.from_url(services.redis) as redis:
        redis.flushall()
    folder = services.folder / name
    folder.mkdir()
    database = create_database(services.database, f"bench_{name}", "template1")
    stack = Stack(folder, database, services.redis, services.kafka, **PRODUCTION, **settings)
    try:
        stack.manage("migrate", "--verbosity", "0")
        yield stack
    finally:
        stack.close(quiet=True)


def start_web(stack: Stack) -> Process:
    web = stack.start("web")
    stack.wait_until(lambda: port_is_open(web_port(stack)), "the web server listens")
    return web


def start_consumer(stack: Stack) -> Process:
    """Start it and wait until it has its partitions."""
    consumer = stack.start("consumer")
    stack.wait_until(lambda: "got partitions" in consumer.output(), "the consumer has partitions")
    return consumer


def web_port(stack: Stack) -> int:
    return int(stack.environment["WEB_PORT"])


def wait_until_committed(stack: Stack, count: int, what: str) -> None:
    """Until the group's offsets sum up to `count`: then all of it is in Postgres and in Redis."""
    deadline = time.monotonic() + DRAIN_S
    with tqdm(total=count, desc=what, unit="events", leave=False, delay=1) as progress:
        while (done := sum(max(0, offset) for offset in stack.topic.committed().values())) < count:
            assert time.monotonic() < deadline, f"{what}: only {done} of {count} after {DRAIN_S} s"
            progress.update(done - progress.n)
            time.sleep(POLL_S)


def peak_mb(process: Process) -> float:
    """The most that any process of this one's session ever had resident, in MB."""
    peaks = [0.0]
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            if os.getsid(int(status.parent.name)) == process.pid:
                lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
                peaks.append(int(lines.get("VmHWM", "0 kB").split()[0]) / 1000)
        except (ProcessLookupError, FileNotFoundError):
            continue  # it has just ended
    return max(peaks)
