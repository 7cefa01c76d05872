"""Counts what waits where, for the first page of the admin and the metrics: one process at a time, for all."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import structlog
from confluent_kafka import KafkaException
from django.conf import settings
from django.db import Error

from processing.background.alerts import tell_changes
from processing.kafka.lag import group_lag
from processing.postgres import pipeline_state
from processing.postgres.tallies import merge_writers_before
from processing.postgres.transaction import close_connection

LOOK_EVERY_S = 1.0
WRITTEN_ON = timedelta(minutes=3)  # after so long a minute has all its counts, but for transactions that take longer

log = structlog.get_logger(__name__)


def keep_counting() -> None:
    """From now on, in a thread that ends with the process."""
    threading.Thread(target=_run, name="state", daemon=True).start()


def count_if_due() -> bool:
    """Whether it was time to, and no other process did."""
    if not pipeline_state.claim_counting():
        return False
    merge_writers_before(datetime.now(UTC) - WRITTEN_ON)
    started = time.monotonic()
    numbers = pipeline_state.count_what_waits()
    took = time.monotonic() - started
    pipeline_state.store_counts({**numbers, "took_s": took, "lag": _lag()})
    if settings.ALERT_URLS:
        tell_changes()
    return True


def _lag() -> list[Any] | None:
    """None while Kafka does not tell."""
    try:
        return [[topic, number, lag] for (topic, number), lag in sorted(group_lag().items())]
    except KafkaException:
        return None


def _run() -> None:
    told = False
    while True:
        try:
            count_if_due()
            told = False
        except (psycopg.Error, Error) as error:
            if not told:
                log.warning("what waits is not counted", error=" ".join(str(error).split()))
            told = True
        except Exception:  # a bug, or an alert's address that fails in its own way, must not end the only thread
            log.exception("what waits could not be counted, or what changed not told")
        finally:
            close_connection()
        time.sleep(LOOK_EVERY_S)
