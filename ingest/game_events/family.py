"""Game events: what a player did in a game."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
import orjson
from django.db import connection
from msgspec import Meta

from ingest.game_events.listing import GAME_EVENTS
from ingest.wire.bodies import Body, declare
from processing.envelope import Event
from processing.registry import Family, register

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

ShortText = Annotated[str, Meta(max_length=255)]

COPY_ROWS = """
COPY game_events (event_id, event_type, player_id, game_id, session_id, seq, timestamp, data) FROM STDIN
"""


class GamePayload(msgspec.Struct):
    """The payload of a game event; `data` is the game's own."""

    data: dict[str, Any]
    gameId: ShortText | None = None  # noqa: N815 - the wire's name
    sessionId: ShortText | None = None  # noqa: N815 - the wire's name


def store_game_events(events: Sequence[Event]) -> None:
    """Write a row for each event, all in one statement."""
    with connection.cursor() as cursor, cursor.copy(COPY_ROWS) as copy:
        for event in events:
            copy.write_row(game_event_row(event))


def game_event_row(event: Event) -> tuple[object, ...]:
    """The columns of COPY_ROWS."""
    payload: GamePayload = event.payload
    return (
        event.id,
        event.type,
        event.user_id,
        payload.gameId,
        payload.sessionId,
        event.seq,
        EPOCH + timedelta(milliseconds=event.timestamp),
        orjson.dumps(payload.data).decode(),
    )


GAME = register(Family(name="game", schema=GamePayload, handler=store_game_events))
BODY = declare(Body(family=GAME, path="game-events", user="playerId", listing=GAME_EVENTS))
