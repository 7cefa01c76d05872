"""One revision's pipeline, driven from outside: a new database, an empty Redis, topics and a group of its own.

It relies on what every revision promises and on nothing else: the Procfile, the environment's variables,
`manage.py`, HTTP, Kafka, and the names of the tables and keys that are other programs' too.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from uuid import uuid4

import psycopg
from confluent_kafka import Consumer, ConsumerGroupState, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient
from redis import Redis

from bench.accounting import usages
from bench.processes import RunFailed, Running, command_of, wait_until, with_path
from bench.revisions import Revision
from bench.services import Services
from eventsite.local.services.process import free_port, tail
from tests.databases import create_database, drop_database
from tests.pipeline.log import Record, Topic

PARTITIONS = 4
PRODUCTION = {
    "DEBUG": "0",
    "SECRET_KEY": "of a measurement, long enough for nobody to guess it",
    "INGEST_REQUIRE_API_KEY": "0",
    "FAULT_INJECTION": "0",
    "BACKPRESSURE_MAX_LAG": "0",  # the load comes as fast as it can
}
FILL = 10_000  # messages at a time
READ_S = 0.2
DRAIN_S = 120
READY_S = 60
OUTCOMES_S = 10  # hot state may follow the committed offsets by 100 ms; a machine that swaps needs longer
QUIET_S = 0.3
QUIET_CPU_S = 0.04
ANSWER_S = 20


class Site:
    """`start` processes, `produce` to their topic, wait until all is done, and require that nothing was lost."""

    def __init__(self, services: Services, revision: Revision, folder: Path, database: str) -> None:
        name = uuid4().hex[:8]
        self.services = services
        self.revision = revision
        self.folder = folder
        self.database = database
        self.processes: dict[str, Running] = {}
        self.topic = Topic(services.kafka, f"events-{name}", f"processors-{name}", PARTITIONS)
        self.products = Topic(services.kafka, f"products-{name}", self.topic.group, PARTITIONS)
        self.environment = {
            **_environment(services, database),
            "KAFKA_EVENTS_TOPIC": self.topic.name,
            "KAFKA_PRODUCT_TOPIC": self.products.name,
            "KAFKA_DLQ_TOPIC": f"events-{name}.dlq",
            "KAFKA_CONSUMER_GROUP": self.topic.group,
            "WEB_PORT": str(free_port()),
        }

    @property
    def web_port(self) -> int:
        return int(self.environment["WEB_PORT"])

    @property
    def pids(self) -> dict[str, int]:
        """All that is counted: the processes and the services."""
        return {**{name: process.pid for name, process in self.processes.items()}, **self.services.pids}

    def start(self, *names: str) -> None:
        """Start these lines of the Procfile."""
        for name in names:
            self.processes[name] = self.run(name, command_of(self.revision.root, name))

    def start_many(self, name: str, count: int) -> list[Running]:
        """Start this line of the Procfile so many times."""
        command = command_of(self.revision.root, name)
        started = {f"{name} {number}": self.run(f"{name} {number}", command) for number in range(1, count + 1)}
        self.processes |= started
        return [*started.values()]

    def run(self, name: str, command: list[str]) -> Running:
        """Start any command that ends by itself."""
        return Running(command, self.revision.root, self.environment, self.folder / f"{name}.log")

    def produce(self, records: Iterable[Record]) -> None:
        source = iter(records)
        while part := list(islice(source, FILL)):
            self.topic.produce(part)

    def wait_until_web_is_ready(self) -> None:
        address = f"http://127.0.0.1:{self.web_port}/health/ready"

        def ready() -> bool:
            try:
                with urllib.request.urlopen(address, timeout=ANSWER_S) as answer:
                    return bool(answer.status == 200)
            except (urllib.error.URLError, ConnectionError):
                return False  # not listening yet, or 503

        self.wait_until(ready, READY_S, lambda: "the web server is not ready")

    def wait_until_quiet(self) -> None:
        """Until no process is busy with its start any more; the services have written what came before."""

        def used() -> float:
            return sum(usage.cpu_s for usage in usages(self.pids).values())

        def quiet() -> bool:
            before = used()
            time.sleep(QUIET_S)
            return used() - before <= QUIET_CPU_S

        self.wait_until(quiet, READY_S, lambda: "processes and services are not quiet")

    def wait_until_drained(self, events: int, timeout_s: float = DRAIN_S) -> None:
        """Until so many are committed: then their outcomes are in Postgres. Raises `RunFailed` if they never are."""

        def committed() -> int:
            return sum(max(0, offset) for offset in self.topic.committed().values())

        def problem() -> str:
            return f"LOST: {committed()} of {events} events are committed"

        self.wait_until(lambda: committed() >= events, timeout_s, problem)

    def wait_until_members(self, members: int) -> None:
        """Until the group has so many, and its partitions are theirs."""
        admin = AdminClient({"bootstrap.servers": self.services.kafka})

        def settled() -> bool:
            group = admin.describe_consumer_groups([self.topic.group])[self.topic.group].result(ANSWER_S)
            return group.state == ConsumerGroupState.STABLE and len(group.members) == members

        self.wait_until(settled, READY_S, lambda: f"the group has not come to {members} members")

    def wait_until(self, condition: Callable[[], bool], timeout_s: float, problem: Callable[[], str]) -> None:
        """Raises `RunFailed` with the problem and the ends of the logs, at once when a process has ended."""

        def reached() -> bool:
            for process in self.processes.values():
                process.require_running()
            return condition()

        def told() -> str:
            return "\n".join([problem(), *(tail(process.log) for process in self.processes.values())])

        wait_until(reached, timeout_s, told)

    def require_logged(self, events: int) -> None:
        """So many stand in the log, which is read for it. Raises `RunFailed`."""
        client = {"bootstrap.servers": self.services.kafka, "group.id": "bench", "enable.auto.commit": False}
        reader = Consumer({**client, "enable.partition.eof": True})
        reader.assign([TopicPartition(self.topic.name, number, 0) for number in self.topic.partitions])
        found = ended = 0

        def read() -> bool:
            nonlocal found, ended
            errors = [message.error() for message in reader.consume(FILL, READ_S)]
            found += sum(1 for error in errors if error is None)
            ended += sum(1 for error in errors if error is not None and error.code() == KafkaError._PARTITION_EOF)
            return ended >= PARTITIONS

        wait_until(read, READY_S, lambda: f"the ends of the log were not reached: {found} messages")
        reader.close()
        if found < events:
            raise RunFailed(f"LOST: the log holds {found} of {events} events")

    def require_final(self, events: int) -> None:
        """Each event is final, by its key in Redis. Raises `RunFailed`."""
        with Redis.from_url(self.services.redis) as redis:
            counts: list[int] = []

            def all_there() -> bool:
                counts.append(sum(1 for _ in redis.scan_iter(match="dedup:*", count=FILL)))
                return counts[-1] >= events

            wait_until(all_there, OUTCOMES_S, lambda: f"LOST: {counts[-1]} of {events} events are final in Redis")

    def require_value(self, statement: str, expected: object) -> None:
        """What Postgres answers. Raises `RunFailed` when it is something else."""
        with psycopg.connect(self.database) as connection:
            value = _value(connection, statement)
        if value != expected:
            raise RunFailed(f"LOST: {statement} is {value}, not {expected}")

    def wait_until_value(self, statement: str, expected: object) -> None:
        """Until Postgres answers so. Raises `RunFailed` if it never does."""
        problem = f"LOST: {statement} is not {expected}"
        with psycopg.connect(self.database, autocommit=True) as connection:
            self.wait_until(lambda: _value(connection, statement) == expected, DRAIN_S, lambda: problem)

    def close(self) -> None:
        for process in self.processes.values():
            process.ask_to_stop()
        for process in self.processes.values():
            process.end()
        for topic in (self.topic, self.products):
            topic.close()
        drop_database(self.services.database, self.database.rpartition("/")[2])
        admin = AdminClient({"bootstrap.servers": self.services.kafka})  # its answers end with it
        deleted = admin.delete_topics([self.topic.name, self.products.name])
        for done in deleted.values():
            done.result(ANSWER_S)


@contextmanager
def site(services: Services, revision: Revision) -> Iterator[Site]:
    """A pipeline of this revision, its processes not started yet."""
    name = uuid4().hex[:8]
    folder = services.folder / name
    folder.mkdir()
    services.empty()
    database = create_database(services.database, f"bench_{name}", _template(services, revision))
    at = Site(services, revision, folder, database)
    try:
        yield at
    finally:
        at.close()


def _value(connection: psycopg.Connection, statement: str) -> object:
    row = connection.execute(statement.encode()).fetchone()
    return row and row[0]


def _template(services: Services, revision: Revision) -> str:
    """A database with the revision's schema, made once and copied for each measurement."""
    if revision.root not in services.templates:
        name = f"template_{len(services.templates)}"
        _make_schema(services, revision, create_database(services.database, name, "template1"))
        services.templates[revision.root] = name
    return services.templates[revision.root]


def _make_schema(services: Services, revision: Revision, database: str) -> None:
    if revision.schema:
        with psycopg.connect(database) as connection:
            connection.execute(revision.schema.read_bytes())
        return
    command = ["python", "manage.py", "migrate", "--verbosity", "0"]
    environment = with_path(revision.root, _environment(services, database))
    done = subprocess.run(command, cwd=revision.root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{revision.label}: manage.py migrate failed:\n{done.stdout}{done.stderr}")


def _environment(services: Services, database: str) -> dict[str, str]:
    """Nothing of this process's own environment but where its user is at home."""
    return {
        "HOME": os.environ.get("HOME", "/"),
        "IGNORE_ENV_FILES": "1",  # a checkout's own `.env` may say something else
        "PYTHONUNBUFFERED": "1",
        "DATABASE_URL": database,
        "REDIS_URL": services.redis,
        "KAFKA_BOOTSTRAP_SERVERS": services.kafka,
        "KAFKA_TOPIC_PARTITIONS": str(PARTITIONS),
        **PRODUCTION,
    }
