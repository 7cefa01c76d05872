"""Hints to Celery: ids of events to try again, and when. A lost hint costs time, a sweep finds the event."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from amqp import AMQPError
from kombu.exceptions import KombuError
from redis import RedisError

BUCKET_MS = 100  # retries that are due this close together share a hint

# What brokers and their clients raise; RabbitMQ's own, as when it shuts down in an orderly way, are none of the others.
BROKER_TROUBLE = (KombuError, AMQPError, RedisError, OSError)

log = structlog.get_logger(__name__)


def enqueue_retries(retries: Sequence[tuple[str, int]]) -> None:
    """Hint that these ids are to be tried again, each after so many milliseconds."""
    buckets: dict[int, list[str]] = {}
    for id, delay_ms in retries:
        buckets.setdefault(delay_ms // BUCKET_MS + 1, []).append(id)
    for bucket, ids in buckets.items():
        if not _send(ids, bucket * BUCKET_MS / 1000):
            return


def enqueue_now(ids: Sequence[str]) -> None:
    """Hint that these waiting events can be tried at once."""
    if ids:
        _send(ids, 0)


def _send(ids: Sequence[str], countdown_s: float) -> bool:
    from processing.tasks import run_due

    try:
        run_due.apply_async((list(ids),), countdown=countdown_s, retry=False)
    except BROKER_TROUBLE as error:
        log.warning("the hint to retry was not sent, a sweep will find the events", events=len(ids), error=str(error))
        return False
    return True
