"""Is this Celery worker able to get tasks, and to do them?"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from celery import current_app
from celery.signals import task_prerun
from django.conf import settings
from kombu.exceptions import OperationalError

from processing.domain.topic_states import why_not_writable
from processing.health import services
from processing.health.checks import Checks
from processing.health.readiness import Readiness, decide, one_line

NEEDS = ("broker", "postgres", "migrations", "redis")
IMPLIED = {"tasks": "broker", "elsewhere": "postgres"}
TASKS_WITHIN_S = 60.0  # beat asks for a sweep every two seconds


class TaskClock:
    """When the last task came (time.monotonic()); at first, when the worker started."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def note(self, **_: Any) -> None:
        self._last = time.monotonic()

    def silence(self) -> Sequence[str]:
        silent_s = time.monotonic() - self._last
        return [f"no task has come for {silent_s:.0f} s: is beat up?"] if silent_s > TASKS_WITHIN_S else []


def readiness_of_worker() -> Callable[[], Readiness]:
    """To be called for each answer. Without Kafka it does its work: copies of dead letters wait, as rows."""
    clock = TaskClock()
    task_prerun.connect(clock.note, weak=False)
    checks = Checks(
        broker=_broker,
        postgres=services.postgres,
        migrations=services.migrations,
        redis=services.redis,
        kafka=lambda: services.topics([settings.KAFKA_DLQ_TOPIC], why_not_writable),
        tasks=clock.silence,
        elsewhere=services.elsewhere,
    )
    return lambda: decide(checks.ask(), NEEDS, IMPLIED)


def _broker() -> Sequence[str]:
    connection = current_app.connection_for_read()
    try:
        connection.ensure_connection(max_retries=1)
    except (OperationalError, OSError) as error:
        return [one_line(error)]
    finally:
        connection.release()
    return []
