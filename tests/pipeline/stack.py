"""A pipeline of its own for each test: database, Redis, topics, group, and the Procfile's processes on them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from confluent_kafka import Message
from redis import Redis

from eventsite.local.services.process import free_port
from tests.paths import ROOT
from tests.pipeline.log import Place, Record, Topic, read_all
from tests.pipeline.processes import Process, command_of, wait_until

DRAIN_S = 240
PARTITIONS = 4
QUICK = {  # what a test would else have to wait for
    "RETRY_MAX_RETRIES": "2",
    "RETRY_BACKOFF_MS": "50",
    "RETRY_BACKOFF_MAX_MS": "500",
    "SEQUENCE_GAP_TIMEOUT_MS": "1000",
    "KAFKA_SESSION_TIMEOUT_MS": "3000",  # the embedded broker's first assignment takes half of it
}


def only_on_real_kafka(reason: str) -> pytest.MarkDecorator:
    """For what the embedded broker cannot do; the reason says what. `make test-kafka` runs these."""
    return pytest.mark.skipif(os.environ.get("TEST_KAFKA") != "real", reason=f"{reason}: make test-kafka")


class Stack:
    """`start` processes, `produce` to their topic, look at what they leave with `sql` and `redis`."""

    def __init__(self, folder: Path, database_url: str, redis_url: str, kafka: str, **settings: str) -> None:
        name = uuid4().hex[:8]
        self.folder = folder
        self.database_url = database_url
        self.kafka = kafka
        self.processes: list[Process] = []
        self.redis: Redis = Redis.from_url(redis_url, decode_responses=True)
        self.topic = Topic(kafka, f"events-{name}", f"processors-{name}", PARTITIONS)
        self.products = Topic(kafka, f"products-{name}", self.topic.group, PARTITIONS)
        self.topics = [self.topic, self.products]
        self.dead_letter_topic = f"events-{name}.dlq"
        self.environment = {
            "DJANGO_SETTINGS_MODULE": "eventsite.settings",
            "IGNORE_ENV_FILES": "1",
            "PYTHONFAULTHANDLER": "1",
            "DEBUG": "1",
            "HOME": os.environ.get("HOME", "/"),
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "KAFKA_BOOTSTRAP_SERVERS": kafka,
            "KAFKA_EVENTS_TOPIC": self.topic.name,
            "KAFKA_PRODUCT_TOPIC": self.products.name,
            "KAFKA_DLQ_TOPIC": self.dead_letter_topic,
            "KAFKA_CONSUMER_GROUP": self.topic.group,
            "KAFKA_TOPIC_PARTITIONS": str(PARTITIONS),
            "WEB_PORT": str(free_port()),
            **QUICK,
            **settings,
        }
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None

    # --- processes ---

    def start(self, name: str, **settings: str) -> Process:
        """Start a line of the Procfile."""
        return self._start(command_of(name), name, settings)

    def run(self, command: str, *, ends: bool = False, **settings: str) -> Process:
        """Start any `python manage.py …`; `ends`: it may end by itself."""
        process = self._start(command, command.split()[2], settings)
        process.meant_to_run = not ends
        return process

    def _start(self, command: str, name: str, settings: dict[str, str]) -> Process:
        process = Process(command, self.environment | settings, self.folder / f"{len(self.processes):02}-{name}.log")
        self.processes.append(process)
        return process

    def manage(self, *arguments: str, **settings: str) -> str:
        """Run a management command to its end; returns what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env={"PATH": os.environ.get("PATH", os.defpath), **self.environment, **settings},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"manage.py {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}"
        return done.stdout

    def close(self, *, quiet: bool = False) -> None:
        """End everything; what each process wrote last is printed, for pytest to show if the test failed."""
        for process in self.processes:
            process.kill()
        for process in [] if quiet else self.processes:
            print(process.tail())
        for topic in self.topics:
            topic.close()
        self.redis.close()
        if self._connection is not None:
            self._connection.close()

    # --- what goes in ---

    def produce(self, records: Iterable[Record]) -> list[Place]:
        return self.topic.produce(records)

    # --- what is left ---

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Rows; connects again if the server was away since the last time."""
        try:
            return self._execute(statement, parameters)
        except psycopg.OperationalError:
            self._connection = None
            return self._execute(statement, parameters)

    def value(self, statement: str, *parameters: object) -> Any:
        return self.sql(statement, *parameters)[0][0]

    def _execute(self, statement: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
        if self._connection is None:
            self._connection = psycopg.connect(self.database_url, autocommit=True)
        cursor = self._connection.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []

    def count(self, table: str) -> int:
        return int(self.value(f"SELECT count(*) FROM {table}"))

    def waiting(self) -> int:
        return int(self.value("SELECT count(*) FROM processing_inboxevent WHERE status IN ('held', 'retrying')"))

    def dead_letters(self) -> list[Message]:
        return read_all(self.kafka, self.dead_letter_topic)

    # --- waiting for it ---

    def wait_until(self, condition: Callable[[], bool], what: str, timeout_s: float = DRAIN_S) -> None:
        """As `wait_until`, and fail at once when a process has ended that nobody ended."""

        def reached() -> bool:
            for process in self.processes:
                ended = process.meant_to_run and not process.is_running()
                assert not ended, f"{process.log.name} ended by itself: {process.status()}"
            return condition()

        wait_until(reached, timeout_s, what)

    def watch(self, seconds: float) -> None:
        """Let this time pass, and fail at once when a process has ended that nobody ended."""
        until = time.monotonic() + seconds
        self.wait_until(lambda: time.monotonic() >= until, f"{seconds:g} s have passed")

    def wait_for_rows(self, count: int) -> None:
        self.wait_until(lambda: self.count("processing_inboxevent") >= count, f"the inbox has {count} events")

    def wait_until_read(self, count: int) -> None:
        """The inbox has them, and the group has committed all that it read."""
        self.wait_for_rows(count)
        self.wait_until(lambda: all(topic.is_drained() for topic in self.topics), "the topics are read")

    def wait_until_final(self, count: int, timeout_s: float = DRAIN_S) -> None:
        """All is read, committed, final, and in the hot state; `count` events altogether."""

        def settled() -> bool:
            return (
                self.count("processing_inboxevent") >= count
                and self.waiting() == 0
                and self.count("processing_hotstateoutbox") == 0
                and all(topic.is_drained() for topic in self.topics)
            )

        def state() -> str:
            return (
                f"everything is final: {self.count('processing_inboxevent')} of {count} events, "
                f"{self.waiting()} waiting, {self.count('processing_hotstateoutbox')} in the outbox, "
                + "; ".join(f"committed {topic.committed()} of {topic.ends()}" for topic in self.topics)
            )

        try:
            self.wait_until(settled, "everything is final", timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}; {state()}") from error
