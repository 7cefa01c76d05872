"""How the pipeline stands, in numbers: what waits where. Counts go through indexes of what waits, not the inbox."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from confluent_kafka import KafkaException

from processing.domain.statuses import WAITING
from processing.kafka.lag import group_lag
from processing.models import CircuitBreaker
from processing.postgres.transaction import raw_cursor

COUNTS = {
    "held": "SELECT count(*) FROM processing_inboxevent WHERE status = 'held'",
    "retrying": "SELECT count(*) FROM processing_inboxevent WHERE status = 'retrying'",
    "deadLetters": "SELECT count(*) FROM processing_deadletter WHERE discarded_at IS NULL",
    "unpublishedDeadLetters": "SELECT count(*) FROM processing_deadletter WHERE published_at IS NULL",
    "hotStateToWrite": "SELECT count(*) FROM processing_hotstateoutbox",
}


def overview() -> dict[str, Any]:
    """Plain values, as they go into JSON. `lag` is None when Kafka cannot be asked; then `lagError` says why."""
    return {**_lag(), **{name: _count(statement) for name, statement in COUNTS.items()}, **_gaps(), **_breaker()}


def _count(statement: str) -> int:
    row = raw_cursor().execute(statement).fetchone()
    assert row is not None
    return int(row[0])


def _lag() -> dict[str, Any]:
    try:
        lags = group_lag(exact=True)
    except KafkaException as error:
        return {"lag": None, "partitions": [], "lagError": str(error.args[0])}
    partitions = [{"topic": topic, "partition": number, "lag": lag} for (topic, number), lag in sorted(lags.items())]
    return {"lag": sum(lags.values()), "partitions": partitions}


def _gaps() -> dict[str, Any]:
    """Lanes whose next seq is missing, and since when the first of them waits."""
    row = (
        raw_cursor()
        .execute(
            """SELECT count(*), min(l.waiting_since) FROM processing_lane l WHERE l.waiting_since IS NOT NULL AND NOT EXISTS (
                 SELECT FROM processing_inboxevent i WHERE i.user_id = l.user_id AND i.seq = l.next_seq AND i.status = ANY(%s))""",
            (sorted(WAITING),),
        )
        .fetchone()
    )
    assert row is not None
    return {"gaps": row[0], "oldestGapSince": _text(row[1])}


def _breaker() -> dict[str, Any]:
    row = CircuitBreaker.objects.first()
    if row is None:
        return {"breaker": None}
    return {"breaker": {"reason": row.reason, "openedAt": _text(row.opened_at), "probes": row.probes}}


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds")
