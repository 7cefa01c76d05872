"""The state of the pipeline in numbers: how much waits where."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from confluent_kafka import KafkaException

from processing.domain.statuses import Status
from processing.kafka.lag import group_lag
from processing.kafka.open_transactions import OpenTransaction, open_transactions
from processing.models import CircuitBreaker
from processing.operators import losses
from processing.postgres import counts
from processing.postgres.passed_gaps import count_passed_gaps


def overview() -> dict[str, Any]:
    """Plain values, as they go into JSON. `lag` is None when Kafka cannot be asked; then `lagError` says why."""
    return {
        **_lag(),
        "held": counts.count_events(Status.HELD),
        "retrying": counts.count_events(Status.RETRYING),
        "deadLetters": counts.count_open_dead_letters(),
        "unpublishedDeadLetters": counts.count_unpublished_dead_letters(),
        "hotStateToWrite": counts.count_outbox(),
        **losses.overview(),
        **_gaps(),
        "passedGaps": count_passed_gaps(),
        **_breaker(),
    }


def _lag() -> dict[str, Any]:
    try:
        lags = group_lag(exact=True)
        held_up = open_transactions()
    except KafkaException as error:
        return {"lag": None, "partitions": [], "openTransactions": [], "lagError": str(error.args[0])}
    partitions = [{"topic": topic, "partition": number, "lag": lag} for (topic, number), lag in sorted(lags.items())]
    return {
        "lag": sum(lags.values()),
        "partitions": partitions,
        "openTransactions": [_open_transaction(each) for each in held_up],
    }


def _open_transaction(each: OpenTransaction) -> dict[str, Any]:
    seconds = each.held_up_s(datetime.now(UTC))
    return {
        "topic": each.topic,
        "partition": each.partition,
        "offset": each.offset,
        "since": _text(each.since),
        "heldUpSeconds": None if seconds is None else round(seconds, 3),
    }


def _gaps() -> dict[str, Any]:
    """Lanes whose next seq is missing, and since when the first of them waits."""
    gaps, since = counts.count_gaps()
    return {"gaps": gaps, "oldestGapSince": _text(since)}


def _breaker() -> dict[str, Any]:
    row = CircuitBreaker.objects.first()
    if row is None:
        return {"breaker": None}
    return {"breaker": {"reason": row.reason, "openedAt": _text(row.opened_at), "probes": row.probes}}


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds")
