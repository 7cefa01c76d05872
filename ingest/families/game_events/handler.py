"""Game events: what a player did in a game."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import orjson
from msgspec import Meta

from ingest.families.game_events.models import GameEvent
from processing.domain.decode import dump_json
from processing.domain.envelope import Event
from processing.postgres.databases import connection

ShortText = Annotated[str, Meta(max_length=255)]

# One statement with all it needs. A COPY here would wait for its sender with locks held, and a sender that is frozen in
# the middle of one keeps them for ever: no timeout of Postgres ends a COPY that waits for data.
INSERT_ROWS = """
INSERT INTO game_events (event_id, event_type, player_id, game_id, session_id, seq, timestamp, data)
SELECT event_id, event_type, player_id, game_id, session_id, seq, to_timestamp(timestamp_ms / 1000.0), data
FROM jsonb_to_recordset(%s::jsonb) AS r(event_id text, event_type text, player_id text, game_id text,
                                        session_id text, seq bigint, timestamp_ms bigint, data jsonb)
"""


class GamePayload(msgspec.Struct):
    """The payload of a game event; `data` is the game's own."""

    data: Annotated[dict[str, Any], Meta(examples=[{"level": 3}])]
    gameId: ShortText | None = None  # noqa: N815 - the wire's name
    sessionId: ShortText | None = None  # noqa: N815 - the wire's name


def store_game_events(events: Sequence[Event]) -> None:
    """Write a row for each event, all in one statement."""
    rows = dump_json([game_event_row(event) for event in events]).decode()
    with connection.cursor() as cursor:
        cursor.execute(INSERT_ROWS, [rows])


def game_event_row(event: Event) -> dict[str, object]:
    """One record of INSERT_ROWS."""
    payload: GamePayload = event.payload
    return {
        "event_id": event.id,
        "event_type": event.type,
        "player_id": event.user_id,
        "game_id": payload.gameId,
        "session_id": payload.sessionId,
        "seq": event.seq,
        "timestamp_ms": event.timestamp,
        "data": orjson.Fragment(dump_json(payload.data)),  # no level deeper than it was checked at
    }


def game_event_link(event_id: str) -> tuple[GameEvent, str] | None:
    """For the admin: an event's row, and what its link says."""
    row = GameEvent.objects.only("pk").filter(event_id=event_id).first()
    return None if row is None else (row, f"game event {row.pk}")
