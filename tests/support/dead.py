"""Events that have failed for good, and what is left of them."""

from __future__ import annotations

from django.utils import timezone
from redis import Redis

from processing.domain.failures import Cause
from processing.domain.messages import Arrival, Message, Poison, poison_id, read_message
from processing.domain.outcomes import BatchResult
from processing.domain.statuses import Status
from processing.engine import release
from processing.engine.after_commit import after_commit
from processing.engine.process_batch import process_batch
from processing.models import InboxEvent


def consume(*values: bytes) -> BatchResult:
    """The values as they come from a partition, through the inbox to Redis."""
    outcomes = [read_message(Message("events", 0, offset, b"key", value)) for offset, value in enumerate(values)]
    arrivals = [outcome for outcome in outcomes if isinstance(outcome, Arrival)]
    poisons = [outcome for outcome in outcomes if isinstance(outcome, Poison)]
    settled = process_batch(arrivals, poisons)
    after_commit(settled)
    release.release_all(settled.ready)
    return settled


def try_again(*ids: str) -> None:
    InboxEvent.objects.filter(status=Status.RETRYING).update(next_attempt_at=timezone.now())
    release.run_due(ids)


def fail_for_good(*values: bytes) -> None:
    """Consume events that fail, and use up their tries (two)."""
    consume(*values)
    while ids := list(InboxEvent.objects.filter(status=Status.RETRYING).values_list("pk", flat=True)):
        try_again(*ids)


def bury_bytes(value: bytes) -> str:
    """A dead letter with these bytes, which could not be read when they came. Returns its id."""
    message = Message("events", 0, 10_000 + InboxEvent.objects.count(), b"key", value)
    after_commit(
        process_batch([], [Poison(poison_id(message), message, "the message could not be read", Cause("no JSON", ""))])
    )
    return poison_id(message)


def row(id: str) -> InboxEvent:
    return InboxEvent.objects.get(pk=id)


def order(redis: Redis, user: str = "u-1") -> list[int]:
    return [int(seq) for seq in redis.lrange(f"order:{user}", 0, -1)]


def text(field: bytes | str) -> str:
    return field if isinstance(field, str) else field.decode()


def hot(redis: Redis, id: str) -> dict[str, str]:
    return {text(key): text(value) for key, value in redis.hgetall(f"event:{id}").items()}


def dead_list(redis: Redis) -> list[str]:
    return [text(id) for id in redis.lrange("dlq:list", 0, -1)]
