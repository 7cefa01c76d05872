"""How `GET /game-events` shows game events."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from ingest.families.game_events.models import GameEvent
from ingest.http.answers import SAMPLE_ID
from ingest.http.examples import MOMENT_MS
from ingest.reading.listing import Listing, unix_ms, without_nulls
from processing.domain.envelope import EPOCH


def show_game_event(row: GameEvent) -> dict[str, Any]:
    return without_nulls(
        {
            "eventId": row.event_id,
            "eventType": row.event_type,
            "playerId": row.player_id,
            "gameId": row.game_id,
            "sessionId": row.session_id,
            "seq": row.seq,
            "timestamp": unix_ms(row.timestamp),
            "data": row.data,
        }
    )


AT = EPOCH + timedelta(milliseconds=MOMENT_MS)
GAME_EVENTS = Listing(
    rows=GameEvent.objects.all,
    show=show_game_event,
    filters={"eventType": "event_type", "playerId": "player_id"},
    time="timestamp",
    stored_at="created_at",
    sample=lambda: GameEvent(
        event_id=SAMPLE_ID,
        event_type="game.created",
        player_id="u-1",
        seq=1,
        timestamp=AT,
        data={"level": 3},
        created_at=AT,
    ),
)
