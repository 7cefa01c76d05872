"""Messages to Celery: what to try, and when. A lost message costs time: the sweeper rescues what it was about."""

from __future__ import annotations

import time
from collections.abc import Sequence

import structlog
from amqp import AMQPError
from celery import current_app
from kombu.exceptions import KombuError
from redis import RedisError

# By name: the tasks drive the engine, which enqueues them.
RUN_DUE = "processing.tasks.run_due"
RUN_EFFECTS = "processing.tasks.run_effects"
PUBLISH_FOLLOW_UPS = "processing.tasks.publish_follow_ups"
BUCKET_MS = 100  # retries that are due this close together share a message
TASKS_A_MESSAGE = 25
MOST_MESSAGES = 4  # of one commit: each runs what is due until nothing is
AWAY_S = 5.0  # a broker that failed is left alone for so long: one that does not answer costs seconds each time

# What brokers and their clients raise; RabbitMQ's own, as when it shuts down in an orderly way, are none of the others.
BROKER_TROUBLE = (KombuError, AMQPError, RedisError, OSError)

log = structlog.get_logger(__name__)

_leave_alone_until = 0.0  # time.monotonic()


def enqueue_retries(retries: Sequence[tuple[str, int]]) -> None:
    """Have these ids tried again, each after so many milliseconds."""
    buckets: dict[int, list[str]] = {}
    for id, delay_ms in retries:
        buckets.setdefault(delay_ms // BUCKET_MS + 1, []).append(id)
    for bucket, ids in buckets.items():
        if not _send(RUN_DUE, [ids], len(ids), bucket * BUCKET_MS / 1000):
            return


def enqueue_now(ids: Sequence[str]) -> None:
    """Have these waiting events tried at once."""
    if ids:
        _send(RUN_DUE, [list(ids)], len(ids))


def enqueue_effects(tasks: int, countdown_s: float = 0) -> None:
    """Have so many effects run that are due now, or then."""
    for _ in range(min(MOST_MESSAGES, -(-tasks // TASKS_A_MESSAGE))):
        if not _send(RUN_EFFECTS, [], 1, countdown_s):
            return


def enqueue_follow_ups() -> None:
    _send(PUBLISH_FOLLOW_UPS, [], 1)


def _send(task: str, arguments: Sequence[object], events: int, countdown_s: float = 0) -> bool:
    global _leave_alone_until
    if time.monotonic() < _leave_alone_until:
        return False
    try:
        current_app.send_task(task, arguments, countdown=countdown_s)
    except BROKER_TROUBLE as error:
        _leave_alone_until = time.monotonic() + AWAY_S
        log.warning("what waits was not enqueued, the sweeper will find it", events=events, error=str(error))
        return False
    return True
