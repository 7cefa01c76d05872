"""How much waits where: counted by one process at a time, in a row that all read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from processing.domain.statuses import Status
from processing.postgres import counts
from processing.postgres.effects import count_by_status
from processing.postgres.passed_gaps import count_passed_gaps
from processing.postgres.transaction import raw_cursor, transaction

EVERY_S = 5.0
SHARE = 50  # counting takes one part in so many of one process's time, at most
LONGEST_COUNT = "10s"


@dataclass(frozen=True)
class State:
    """As it was counted, and how long ago; empty before the first time."""

    age_s: float
    numbers: Mapping[str, Any]


def claim_counting() -> bool:
    """Whether it is time to count, and this process that does it."""
    cursor = raw_cursor().execute(
        """INSERT INTO processing_pipelinestate AS s (id, counted_at, numbers) VALUES (1, now(), '{}')
           ON CONFLICT (id) DO UPDATE SET counted_at = now()
           WHERE s.counted_at < now() - greatest(%s, %s * coalesce((s.numbers ->> 'took_s')::float, 0))
                                * interval '1 second'""",
        (EVERY_S, SHARE),
    )
    return cursor.rowcount == 1


def store_counts(numbers: Mapping[str, Any]) -> None:
    raw_cursor().execute(
        "UPDATE processing_pipelinestate SET numbers = %s::jsonb", (msgspec.json.encode(numbers).decode(),)
    )


def read_state() -> State:
    row = (
        raw_cursor()
        .execute(
            """SELECT extract(epoch FROM clock_timestamp() - counted_at)::float, numbers
               FROM processing_pipelinestate WHERE numbers <> '{}'"""
        )
        .fetchone()
    )
    return State(float("inf"), {}) if row is None else State(row[0], msgspec.json.decode(row[1]))


def count_what_waits() -> dict[str, Any]:
    """Each count reads a partial index; all of them see one moment."""
    with transaction() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = '{LONGEST_COUNT}'")
        return {
            "held": counts.count_events(Status.HELD),
            "retrying": counts.count_events(Status.RETRYING),
            "waiting_lanes": counts.count_waiting_lanes(),
            "passed_gaps": count_passed_gaps(),
            "unpublished": counts.count_unpublished_dead_letters(),
            "hot_state_to_write": counts.count_outbox(),
            "effects": count_by_status(),
        }
