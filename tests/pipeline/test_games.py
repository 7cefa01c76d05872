"""Two real games of chess, their moves shuffled in arrival."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import orjson
import pytest

from tests.pipeline.log import Record
from tests.pipeline.stack import Stack

pytestmark = pytest.mark.pipeline

MOVES = Path(__file__).resolve().parent.parent / "data" / "game_events.jsonl"
GAMES = {"garry_kasparov": 259, "deep_blue_(computer)": 260}


def test_every_move_counts_once_and_in_its_place(stack: Stack) -> None:
    moves = [orjson.loads(line) for line in MOVES.read_bytes().splitlines()]
    stack.produce(_record(move) for move in moves)
    stack.start("consumer")
    stack.wait_until_final(len(moves))
    assert stack.sql("SELECT status, count(*) FROM inbox GROUP BY 1") == [("processed", len(moves))]
    stored = stack.sql("SELECT event_id, player_id, seq, data FROM game_events")
    assert sorted(stored) == sorted((m["eventId"], m["playerId"], m["seq"], m["data"]) for m in moves)
    for player, count in GAMES.items():
        assert stack.redis.lrange(f"order:{player}", 0, -1) == [str(seq) for seq in range(1, count + 1)]


def _record(move: dict[str, object]) -> Record:
    payload = {name: move[name] for name in ("gameId", "seq", "data")}
    envelope = {
        "id": move["eventId"],
        "userId": move["playerId"],
        "type": move["eventType"],
        "family": "game",
        "payload": payload,
        "timestamp": round(datetime.fromisoformat(str(move["timestamp"])).timestamp() * 1000),
    }
    return Record(str(move["playerId"]).encode(), orjson.dumps(envelope))
