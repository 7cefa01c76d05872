"""A kind that is stopped or paused, with the Procfile's processes: it waits alone, and then runs in order, once."""

from __future__ import annotations

import pytest

from tests.pipeline.load import Sent, lane
from tests.pipeline.stack import Stack

pytestmark = pytest.mark.pipeline

BREAK = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'bad deploy'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON game_events FOR EACH ROW EXECUTE FUNCTION refuse();
"""
LIMIT = 20
KIND = "game/game.move"


def test_a_bad_deploy_stops_its_kind_alone_and_fails_nothing(stack: Stack) -> None:
    stack.sql(BREAK)
    games = [event for user in range(20) for event in lane(f"player-{user}", range(1, 41), family="game")]
    free = [Sent(f"free-{number}", f"player-{number % 20}", family="game") for number in range(700)]
    settings = {"FAILURE_LIMIT_IN_A_ROW": str(LIMIT), "RETRY_MAX_RETRIES": "3", "CONSUMER_BATCH_SIZE": "100"}
    # else the first few are through with their tries before there are LIMIT, on a machine that is slow
    settings["RETRY_BACKOFF_MS"] = "1500"
    stack.produce(event.record() for event in games + free)
    stack.start("beat")
    stack.start("worker", **settings)
    consumer = stack.start("consumer", **settings)
    stack.wait_until(lambda: _state(stack) == "stopped", "the kind is stopped")
    others = [event for user in range(20) for event in lane(f"reader-{user}", range(1, 21))]
    stack.produce(event.record() for event in others)
    stack.wait_until(lambda: _final(stack, "reader-%") == len(others), "everything else is processed meanwhile")
    _wait_for_probes(stack, 2)  # what a worker was at when the kind was stopped is over
    tried = _tries(stack)
    _wait_for_probes(stack, 6)
    probes = int(stack.value("SELECT probes FROM processing_kind"))
    assert _tries(stack) - tried <= probes, "more than one at a time was tried"
    stack.wait_until(stack.topic.is_drained, "all of it is stored")
    assert stack.count("processing_inboxevent") == len(games + free + others)
    assert stack.count("processing_deadletter") == 0
    assert "stopped a kind of event" in consumer.output()

    stack.sql("DROP TRIGGER refuse ON game_events")
    stack.wait_until_final(len(games + free + others))
    assert stack.sql("SELECT DISTINCT status FROM processing_inboxevent") == [("processed",)]
    assert stack.count("game_events") == len(games + free)
    stack.wait_until(lambda: _state(stack) == "open", "the kind is open")
    for user in range(20):
        assert stack.redis.lrange(f"order:player-{user}", 0, -1) == [str(seq) for seq in range(1, 41)]


def test_10_000_events_of_a_paused_kind_run_in_order_once_though_their_drainers_are_killed(stack: Stack) -> None:
    stack.manage("pause", "--family", "game", "--type", "game.move", "--reason", "a drill")
    free = [Sent(f"free-{number:05}", f"player-{number % 20}", family="game") for number in range(9_000)]
    games = [event for user in range(20) for event in lane(f"gamer-{user}", range(1, 51), family="game")]
    stack.produce(event.record() for event in free + games)
    consumer = stack.start("consumer", CONSUMER_BATCH_SIZE="500")
    stack.wait_until(lambda: stack.count("processing_inboxevent") == len(free + games), "all of it is stored")
    assert stack.count("game_events") == 0
    stack.wait_until(stack.topic.is_drained, "nothing is left in the log")
    assert "paused" in stack.manage("pipeline_status")
    stack.manage("resume", "--family", "game", "--type", "game.move")
    others = [Sent(f"other-{number}", f"reader-{number % 20}") for number in range(1_000)]
    stack.produce(event.record() for event in others)
    for share in (0.05, 0.3):
        stack.wait_until(lambda share=share: stack.count("game_events") > share * len(free), "it drains")  # type: ignore[misc]
        consumer.kill()
        consumer = stack.start("consumer", CONSUMER_BATCH_SIZE="500")
    stack.start("consumer", CONSUMER_BATCH_SIZE="500")
    stack.start("beat")
    stack.start("worker")
    stack.wait_until_final(len(free + games + others))
    stack.wait_until(lambda: _state(stack) == "open", "the kind is open")
    assert stack.sql("SELECT DISTINCT status, attempts FROM processing_inboxevent") == [("processed", 1)]
    assert stack.count("game_events") == len(free + games)
    for user in range(20):
        ids = stack.sql("SELECT event_id FROM game_events WHERE player_id = %s ORDER BY id", f"player-{user}")
        assert ids == sorted(ids)
        assert stack.redis.lrange(f"order:gamer-{user}", 0, -1) == [str(seq) for seq in range(1, 51)]


def _state(stack: Stack) -> str:
    rows = stack.sql("SELECT state FROM processing_kind WHERE name = %s", KIND)
    return str(rows[0][0]) if rows else "open"


def _final(stack: Stack, users: str) -> int:
    statement = "SELECT count(*) FROM processing_inboxevent WHERE user_id LIKE %s AND status = 'processed'"
    return int(stack.sql(statement, users)[0][0])


def _wait_for_probes(stack: Stack, count: int) -> None:
    stack.wait_until(
        lambda: int(stack.value("SELECT max(probes) FROM processing_kind") or 0) >= count, "waiting events are tried"
    )


def _tries(stack: Stack) -> int:
    return int(stack.value("SELECT coalesce(sum(attempts), 0) FROM processing_inboxevent WHERE status = 'retrying'"))
