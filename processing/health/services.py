"""The checks that several processes share. Each returns a line for each thing that is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from confluent_kafka import KafkaError
from django.db import Error
from redis import RedisError

from processing.domain.away import StoppedError
from processing.domain.topic_states import TopicState
from processing.health.readiness import one_line
from processing.hot_state.write import require_writable
from processing.kafka.clients import ensure_topics
from processing.kafka.cluster import TIMEOUT_S, topic_states
from processing.kafka.troubles import KafkaTrouble
from processing.operators.health import degraded
from processing.postgres import schema

MIGRATIONS_CACHED_S = 10.0  # reading them all takes tens of milliseconds

_all_migrated_until = 0.0


def postgres() -> Sequence[str]:
    try:
        schema.ping()
    except Error as error:
        return [one_line(error)]
    return []


def migrations() -> Sequence[str]:
    """Nothing while Postgres cannot say, which `postgres` tells."""
    global _all_migrated_until
    if time.monotonic() < _all_migrated_until:
        return []
    try:
        missing = schema.missing_migrations()
    except Error:
        return []
    if missing:
        return [f"not applied: {', '.join(missing)}; run manage.py migrate"]
    _all_migrated_until = time.monotonic() + MIGRATIONS_CACHED_S
    return []


def redis() -> Sequence[str]:
    """Of the hot state: whether it is read and written."""
    return of_redis(require_writable)


def of_redis(work: Callable[[], object]) -> Sequence[str]:
    try:
        work()
    except (RedisError, OSError) as error:
        return [one_line(error)]
    return []


def topics(names: Sequence[str], judge: Callable[[TopicState], str]) -> Sequence[str]:
    """A topic that is missing is made, as by any process that needs it."""
    try:
        return [line for state in _states(names).values() if (line := judge(state))]
    except KafkaTrouble as error:
        return [str(error)]


def _states(names: Sequence[str]) -> dict[str, TopicState]:
    """Raises `KafkaTrouble`."""
    try:
        return topic_states(names)
    except KafkaTrouble as error:
        if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise
    ensure_topics(names, TIMEOUT_S)
    return topic_states(names)


def elsewhere() -> Sequence[str]:
    """Kinds that are stopped, lost messages. Nothing while Postgres cannot say, which `postgres` tells."""
    try:
        return degraded()
    except StoppedError:
        return []
