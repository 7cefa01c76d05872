"""Two real games of chess, their moves shuffled in arrival."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
import pytest

from eventsite.local.services.process import port_is_open
from tests.paths import MOVES
from tests.pipeline.log import Record
from tests.pipeline.stack import Stack

pytestmark = pytest.mark.pipeline

STATE = "SELECT id, status, attempts, final_at, version FROM processing_inboxevent ORDER BY id"
GAMES = {"garry_kasparov": 259, "deep_blue_(computer)": 260}


def test_every_move_counts_once_and_in_its_place(stack: Stack) -> None:
    stack.produce(_record(move) for move in _moves())
    stack.start("consumer")
    _expect_all(stack)


def test_the_same_through_the_door_and_a_second_time(stack: Stack) -> None:
    consumer = stack.start("consumer")
    stack.start("web")
    port = int(stack.environment["WEB_PORT"])
    stack.wait_until(lambda: port_is_open(port), "the web server listens")
    stack.wait_until(lambda: "got partitions" in consumer.output(), "the consumer has partitions")
    stack.manage("send_events", str(MOVES))
    stack.topic.learn_ends()
    _expect_all(stack)
    before = stack.sql(STATE)
    stack.manage("send_events", str(MOVES))
    stack.topic.learn_ends()
    _expect_all(stack)
    assert stack.sql(STATE) == before


def _expect_all(stack: Stack) -> None:
    moves = _moves()
    stack.wait_until_final(len(moves))
    assert stack.sql("SELECT status, count(*) FROM processing_inboxevent GROUP BY 1") == [("processed", len(moves))]
    stored = stack.sql("SELECT event_id, player_id, seq, data FROM game_events ORDER BY event_id")
    assert stored == sorted((m["eventId"], m["playerId"], m["seq"], m["data"]) for m in moves)
    for player, count in GAMES.items():
        assert stack.redis.lrange(f"order:{player}", 0, -1) == [str(seq) for seq in range(1, count + 1)]


def _moves() -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in MOVES.read_bytes().splitlines()]


def _record(move: dict[str, Any]) -> Record:
    payload = {name: move[name] for name in ("gameId", "seq", "data")}
    envelope = {
        "id": move["eventId"],
        "userId": move["playerId"],
        "type": move["eventType"],
        "family": "game",
        "payload": payload,
        "timestamp": round(datetime.fromisoformat(move["timestamp"]).timestamp() * 1000),
    }
    return Record(move["playerId"].encode(), orjson.dumps(envelope))
