"""What an operator's action will do, in sentences, to be read before it is done. Changes nothing."""

from __future__ import annotations

from collections.abc import Collection

from django.conf import settings

from processing.domain.kinds import type_kind
from processing.domain.texts import counted, sentence
from processing.operators.chunks import while_patient
from processing.operators.kinds import describe
from processing.postgres.kinds import count_waiting, family_and_type

PAUSED = (
    "Its new events are stored and wait, in order, until somebody resumes it; its retries wait too.",
    "A user's lane waits behind such an event. Everything else flows, and the lag stays 0.",
)
MOST = 100_000  # waiting events that are counted


def of_discard(ids: Collection[str]) -> list[str]:
    return [
        "What is discarded stays failed, leaves dlq:list, and is found in the admin only, listed as discarded.",
        "A lane that is parked on it goes on behind it.",
        f"That can be undone as long as its content is kept: {counted(settings.RETENTION_DAYS, 'day')} after it came.",
    ]


def of_undo_discard(ids: Collection[str]) -> list[str]:
    return [
        "What was discarded is an open dead letter again, on dlq:list and in its group, and can be replayed.",
        "A lane that was parked on it has gone on, and does not come back.",
    ]


def of_acknowledge(ids: Collection[str]) -> list[str]:
    return [
        "Nobody is told of it any more: not in /health/ready, the metrics, the alerts.",
        "What was lost stays lost. Whoever still has it can send it again, and it counts.",
    ]


def of_pause(ids: Collection[str]) -> list[str]:
    return [*PAUSED, "A stopped kind is no longer tried, and does not heal by itself."]


def of_resume(ids: Collection[str]) -> list[str]:
    by_kind = while_patient(lambda: count_waiting(ids, at_most=MOST + 1))
    return [
        *(
            sentence(f"{describe(kind)}: {_number(waiting.events)} waiting")
            + (f", the oldest since {waiting.since:%Y-%m-%d %H:%M:%S} UTC." if waiting.since else ".")
            for kind, waiting in by_kind.items()
        ),
        "What waits runs now, in the order in which it came; new events queue behind it until none waits.",
        "If it fails again, it is stopped again, before many of its events have lost a try.",
    ]


def of_pause_type(ids: Collection[str]) -> list[str]:
    return _of_pause_kind(ids, with_type=True)


def of_pause_family(ids: Collection[str]) -> list[str]:
    return _of_pause_kind(ids, with_type=False)


def _of_pause_kind(ids: Collection[str], *, with_type: bool) -> list[str]:
    found = while_patient(lambda: [family_and_type(id) for id in ids])
    kinds = {type_kind(*each) if with_type else each[0] for each in found if each is not None}
    return [f"It pauses {', '.join(describe(kind) for kind in sorted(kinds) if kind)}.", *PAUSED]


def _number(count: int) -> str:
    return f"more than {MOST:,} events" if count > MOST else counted(count, "event")
