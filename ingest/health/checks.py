"""Is the site able to work? Each dependency by name, with what is wrong with it."""

from __future__ import annotations

import time
from collections.abc import Iterator

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from django.db import Error
from redis import RedisError

from ingest.publishing import reservations
from ingest.publishing.per_process import PerProcess
from ingest.publishing.producer import reason
from processing.kafka.clients import client_config
from processing.operators.health import problems as processing_problems
from processing.postgres import schema

KAFKA_TIMEOUT_S = 2.0
MIGRATIONS_CACHED_S = 10.0  # reading them all takes tens of milliseconds

# told to who asks for readiness, not in the log
_admin = PerProcess(lambda: AdminClient({**client_config(), "log_level": 2}))
_all_migrated_until = 0.0


def failures() -> dict[str, str]:
    """What fails, and why; empty when all is well."""
    return dict(_failures())


def _failures() -> Iterator[tuple[str, str]]:
    for name, check in (("postgres", _postgres), ("redis", _redis), ("kafka", _kafka)):
        error = check()
        if error:
            yield name, error
        elif name == "postgres":
            yield from _of_postgres()


def _of_postgres() -> Iterator[tuple[str, str]]:
    """What can only be told with Postgres there."""
    missing = _missing_migrations()
    if missing:
        yield "migrations", f"not applied: {', '.join(missing)}; run manage.py migrate"


def degraded() -> dict[str, list[str]]:
    """What is wrong elsewhere, while the site itself can work; empty when all is well. Asks Postgres."""
    problems = processing_problems()
    return {"processing": problems} if problems else {}


def _postgres() -> str:
    try:
        schema.ping()
    except Error as error:
        return one_line(error)
    return ""


def _redis() -> str:
    try:
        reservations.ping()
    except (RedisError, OSError) as error:
        return one_line(error)
    return ""


def _kafka() -> str:
    try:
        _admin.get().list_topics(timeout=KAFKA_TIMEOUT_S)
    except KafkaException as error:
        return reason(error)
    return ""


def _missing_migrations() -> list[str]:
    global _all_migrated_until
    if time.monotonic() < _all_migrated_until:
        return []
    missing = schema.missing_migrations()
    if not missing:
        _all_migrated_until = time.monotonic() + MIGRATIONS_CACHED_S
    return missing


def one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
