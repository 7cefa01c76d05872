"""Messages to Celery: ids of events to try, and when. A lost message costs time: the sweeper rescues its events."""

from __future__ import annotations

import time
from collections.abc import Sequence

import structlog
from amqp import AMQPError
from celery import current_app
from kombu.exceptions import KombuError
from redis import RedisError

RUN_DUE = "processing.tasks.run_due"  # by name: the task drives the engine, which enqueues it
BUCKET_MS = 100  # retries that are due this close together share a message
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
        if not _send(ids, bucket * BUCKET_MS / 1000):
            return


def enqueue_now(ids: Sequence[str]) -> None:
    """Have these waiting events tried at once."""
    if ids:
        _send(ids, 0)


def _send(ids: Sequence[str], countdown_s: float) -> bool:
    global _leave_alone_until
    if time.monotonic() < _leave_alone_until:
        return False
    try:
        current_app.send_task(RUN_DUE, (list(ids),), countdown=countdown_s)
    except BROKER_TROUBLE as error:
        _leave_alone_until = time.monotonic() + AWAY_S
        log.warning("retries were not enqueued, the sweeper will find the events", events=len(ids), error=str(error))
        return False
    return True
