"""What an operator's action will do, in sentences, to be read before it is done. Changes nothing."""

from __future__ import annotations

from collections.abc import Collection

from django.conf import settings

from processing.domain.kinds import type_kind
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
        "They stay failed, leave dlq:list, and are found in the admin only, listed as discarded.",
        "Lanes that are parked on them go on behind them.",
        f"It can be undone as long as their content is kept: {settings.RETENTION_DAYS} days after they came.",
    ]


def of_undo_discard(ids: Collection[str]) -> list[str]:
    return [
        "They are open dead letters again, on dlq:list and in their groups, and can be replayed.",
        "A lane that was parked on one has gone on, and does not come back.",
    ]


def of_acknowledge(ids: Collection[str]) -> list[str]:
    return [
        "Nobody is told of them any more: not in /health/ready, the metrics, the alerts.",
        "What was lost stays lost. Whoever still has it can send it again, and it counts.",
    ]


def of_pause(ids: Collection[str]) -> list[str]:
    return [*PAUSED, "A stopped kind is no longer tried, and does not heal by itself."]


def of_resume(ids: Collection[str]) -> list[str]:
    counted = while_patient(lambda: count_waiting(ids, at_most=MOST + 1))
    return [
        *(
            f"{describe(kind)}: {_number(waiting.events)} wait"
            + (f", the oldest since {waiting.since:%Y-%m-%d %H:%M:%S} UTC." if waiting.since else ".")
            for kind, waiting in counted.items()
        ),
        "They run now, in the order in which they came; new ones queue behind them until none waits.",
        "If it fails again, it is stopped again, before many of them have lost a try.",
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
    return f"more than {MOST:,} events" if count > MOST else f"{count:,} events"
