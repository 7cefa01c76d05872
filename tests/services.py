"""The services of a test run: started once, by the process that pytest was called as, and shared by its workers."""

from __future__ import annotations

import atexit
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from eventsite.local.services import process
from eventsite.local.services.kafka import Kafka
from eventsite.local.services.postgres import Postgres
from eventsite.local.services.process import PORTS
from eventsite.local.services.service import Service
from eventsite.local.services.tansu import Tansu
from eventsite.local.services.valkey import Valkey
from tests.databases import drop_database
from tests.paths import ROOT

UNIT_TESTS = ROOT / "tests" / "unit"
KAFKA_LIBRARIES = ROOT / "var" / "kafka-libs"  # shared with `make services`
MAX_WORKERS = 64
FLAGS = re.compile(r"-[xqvsl]+|-[a-zA-Z]\w+|--.+=.*|--lf|--ff")  # pytest's options that no value follows
NOWHERE = {
    "DATABASE_URL": "postgres://nobody@127.0.0.1:1/no-database-for-unit-tests",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
}


def prepare(environment: MutableMapping[str, str], arguments: Sequence[str]) -> None:
    """Name services in the environment: `arguments`, pytest's own, tell which tests they are for."""
    worker = environment.get("PYTEST_XDIST_WORKER")
    if worker:  # its parent has started what is needed, and named it in the environment that they share
        separate(environment, worker)
    elif asks_for_unit_tests_only(arguments):
        environment.update(NOWHERE)
    else:
        start_services(environment)


def asks_for_unit_tests_only(arguments: Sequence[str]) -> bool:
    """Whether tests are named and all lie in tests/unit. What may be an option's value asks for nothing."""
    before = ["", *arguments]
    named = [
        Path(argument.split("::")[0]).resolve()
        for argument, previous in zip(arguments, before, strict=False)
        if not argument.startswith("-") and (not previous.startswith("-") or FLAGS.fullmatch(previous))
    ]
    return bool(named) and all(path.is_relative_to(UNIT_TESTS) for path in named)


def start_services(environment: MutableMapping[str, str]) -> None:
    """Start what the environment does not name, and name it there. It all ends, data included, with this process."""
    if not all(environment.get(variable) for variable in NOWHERE):
        folder = Path(tempfile.mkdtemp(prefix="eventsite-tests-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        for service in _services(
            folder, real_kafka=environment.get("TEST_KAFKA") == "real", redis=environment.get("TEST_REDIS", "")
        ):
            if not environment.get(service.variable):
                atexit.register(service.stop)
                environment[service.variable] = service.start()
    if "TEST_TEMPLATE" not in environment:  # else this is a child of a run
        environment["TEST_TEMPLATE"] = f"test_template_{uuid4().hex[:8]}"
        # A server that was lent goes back as it was. What is registered last is done first: the server is still there.
        atexit.register(drop_database, environment["DATABASE_URL"], environment["TEST_TEMPLATE"])


def take_own_ports(environment: Mapping[str, str]) -> None:
    """Have a worker choose from a part of the ports: between the choice and the use of one lies a process's start."""
    worker = environment.get("PYTEST_XDIST_WORKER")
    if worker:
        share = len(PORTS) // int(environment["PYTEST_XDIST_WORKER_COUNT"])
        first = share * int(worker.removeprefix("gw"))
        process.PORTS = PORTS[first : first + share]


def _services(folder: Path, *, real_kafka: bool, redis: str) -> Iterator[Service]:
    # The broker first, so that it ends last: the run's clients complain of its absence until the process is gone.
    yield Kafka(folder / "kafka", KAFKA_LIBRARIES) if real_kafka else Tansu(folder / "broker")
    yield Postgres(folder / "postgres", durable=False)
    yield Valkey(folder / "redis", databases=MAX_WORKERS, program=redis)


def separate(environment: MutableMapping[str, str], worker: str) -> None:
    """Give a worker ("gw0", "gw1", …) a Redis database and a consumer group of its own.

    May be done again, by a child of the worker. Its database it makes when a test first asks for it, see conftest.py;
    topics need no separation: a test makes those that it writes to.
    """
    first = environment.setdefault("TEST_REDIS_URL", environment["REDIS_URL"])
    url = urlsplit(first)
    if not url.scheme.startswith("redis"):
        raise ValueError(f"REDIS_URL={first}: workers need databases of their own, redis://… or a run without -n")
    number = int(url.path.strip("/") or 0) + int(worker.removeprefix("gw"))
    environment["REDIS_URL"] = urlunsplit(url._replace(path=f"/{number}"))
    environment["KAFKA_CONSUMER_GROUP"] = f"event-processors-{worker}"
