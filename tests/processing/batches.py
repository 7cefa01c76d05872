"""Build batches for tests, and follow what is left of them."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import orjson
from django.db import connection

from processing import hot_state, sweeps, waking
from processing.consumer.batch import Batch
from processing.envelope import Envelope, encode_envelope
from processing.settle import Settled, settle_batch
from processing.store import Message

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


def store(*values: bytes | None) -> Settled:
    """Settle a batch and write its hot state, as the consumer does; lanes that are ready get their turn."""
    batch = batch_of(*values)
    hot_state.begin([arrival.event.id for arrival in batch.arrivals])
    settled = settle_batch(batch.arrivals, batch.poisons)
    hot_state.write(settled)
    waking.take_all_turns(settled.ready)
    return settled


def retry_all() -> int:
    """Let the time of every retry come, and try them."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE inbox SET next_attempt_at = now() - interval '1 minute' WHERE status = 'retrying'")
    return sweeps.sweep_retries()


def column(sql: str, *parameters: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return [row[0] for row in cursor.fetchall()]


def statuses() -> dict[str, tuple[str, int]]:
    """Status and attempts of every event in the inbox."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, status, attempts FROM inbox")
        return {id: (status, attempts) for id, status, attempts in cursor.fetchall()}


def applied(user: str = "u") -> list[int | None]:
    """The seqs of the user's events in the order in which they took effect."""
    return column("SELECT seq FROM game_events WHERE player_id = %s ORDER BY id", user)
