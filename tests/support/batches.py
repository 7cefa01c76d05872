"""Build batches for tests, and follow what is left of them."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import orjson
from django.db import connection

from processing.background import sweeper
from processing.consumer.batch import Batch
from processing.domain.envelope import Envelope, encode_envelope
from processing.domain.messages import Message
from processing.domain.outcomes import BatchResult
from processing.engine import release
from processing.engine.process_batch import process_batch
from processing.hot_state.write import write_hot_state

offsets = itertools.count()


def value(id: str, user: str = "u", *, family: str | None = "flaky", type: str = "t", **payload: Any) -> bytes:
    return encode_envelope(
        Envelope(id, user, type, msgspec.Raw(orjson.dumps(payload)), timestamp=1_790_000_000_000, family=family)
    )


def batch_of(*values: bytes | None, partition: int = 0) -> Batch:
    batch = Batch()
    for each in values:
        batch.add(Message("events", partition, next(offsets), b"key", each))
    return batch


def store(*values: bytes | None) -> BatchResult:
    """Settle a batch and write its hot state, as the consumer does; lanes that are ready get their turn."""
    batch = batch_of(*values)
    settled = process_batch(batch.arrivals, batch.poisons)
    write_hot_state(settled.hot_state)
    release.release_all(settled.ready)
    return settled


def retry_all() -> int:
    """Let the time of every retry come, and try them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE processing_inboxevent SET next_attempt_at = now() - interval '1 minute' WHERE status = 'retrying'"
        )
    return sweeper.rescue_retries()


def column(sql: str, *parameters: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return [row[0] for row in cursor.fetchall()]


def statuses() -> dict[str, tuple[str, int]]:
    """Status and attempts of every event in the inbox."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, status, attempts FROM processing_inboxevent")
        return {id: (status, attempts) for id, status, attempts in cursor.fetchall()}


def applied(user: str = "u") -> list[int | None]:
    """The seqs of the user's events in the order in which they took effect."""
    return column("SELECT seq FROM game_events WHERE player_id = %s ORDER BY id", user)
