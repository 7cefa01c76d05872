"""The state of the pipeline in numbers: how much waits where."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import KafkaException
from django.conf import settings

from processing.domain.statuses import Status
from processing.kafka.clients import consumed_topics
from processing.kafka.cluster import unsafe_topics
from processing.kafka.lag import group_lag
from processing.kafka.open_transactions import OpenTransaction, open_transactions
from processing.kafka.troubles import reason
from processing.operators import losses
from processing.postgres import counts, effects, kinds
from processing.postgres.kinds import KindRow
from processing.postgres.passed_gaps import count_passed_gaps


@dataclass(frozen=True)
class KindOverview:
    """A kind that is not open, how many events wait for it, and since when the first of them."""

    row: KindRow
    waiting: int
    oldest_since: datetime | None

    @property
    def name(self) -> str:
        return self.row.name

    @property
    def state(self) -> str:
        return self.row.state.value

    @property
    def oldest_s(self) -> float:
        return 0.0 if self.oldest_since is None else (datetime.now(UTC) - self.oldest_since).total_seconds()


def overview() -> dict[str, Any]:
    """Plain values, as they go into JSON. `lag` is None when Kafka cannot be asked; then `lagError` says why."""
    return {
        **_lag(),
        "held": counts.count_events(Status.HELD),
        "retrying": counts.count_events(Status.RETRYING),
        "deadLetters": counts.count_open_dead_letters(),
        "unpublishedDeadLetters": counts.count_unpublished_dead_letters(),
        "hotStateToWrite": counts.count_outbox(),
        "effects": effects.count_by_status(),
        **losses.overview(),
        **_gaps(),
        "passedGaps": count_passed_gaps(),
        "kinds": [_shown(kind) for kind in kinds_set_aside()],
    }


def _lag() -> dict[str, Any]:
    try:
        lags = group_lag(exact=True)
        held_up = open_transactions()
        unsafe = unsafe_topics([*consumed_topics(), settings.KAFKA_DLQ_TOPIC])
    except KafkaException as error:
        return {"lag": None, "partitions": [], "openTransactions": [], "unsafeTopics": [], "lagError": reason(error)}
    partitions = [{"topic": topic, "partition": number, "lag": lag} for (topic, number), lag in sorted(lags.items())]
    return {
        "lag": sum(lags.values()),
        "partitions": partitions,
        "openTransactions": [_open_transaction(each) for each in held_up],
        "unsafeTopics": unsafe,
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


def kinds_set_aside() -> list[KindOverview]:
    """The kinds that are not open, and how much waits for each."""
    rows = kinds.find_kinds()
    waiting = kinds.count_waiting([row.name for row in rows])
    return [KindOverview(row, waiting[row.name].events, waiting[row.name].since) for row in rows]


def _shown(kind: KindOverview) -> dict[str, Any]:
    row = kind.row
    return {
        "kind": row.name,
        "state": row.state.value,
        "since": _text(row.since),
        "reason": row.reason,
        "by": row.actor,
        "lastError": f"{row.error_class} in {row.error_place}" if row.error_class else None,
        "probes": row.probes,
        "waiting": kind.waiting,
        "oldestSince": _text(kind.oldest_since),
    }


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds")
