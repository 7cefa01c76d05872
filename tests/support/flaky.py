"""An event family for tests: its handler fails as often as the event says, and else leaves a row in `game_events`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec
from django.db import connection

from processing.domain.envelope import Event
from processing.domain.families import Family, register


class FlakyPayload(msgspec.Struct):
    fails: int = 0  # runs of it alone that raise before one succeeds


runs: Counter[str] = Counter()


def store(events: Sequence[Event]) -> None:
    """Rows first, so that a failure has something to undo; an event counts its runs when it is run alone."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO game_events (event_id, event_type, player_id, seq, timestamp, data)"
            " VALUES (%s, %s, %s, %s, now(), '{}')",
            [(event.id, event.type, event.user_id, event.seq) for event in events],
        )
    if len(events) == 1:
        runs[events[0].id] += 1
    for event in events:
        if runs[event.id] <= event.payload.fails and event.payload.fails > 0:
            raise RuntimeError(f"{event.id} is not ready")


FLAKY = register(Family(name="flaky", schema=FlakyPayload, handler=store))
