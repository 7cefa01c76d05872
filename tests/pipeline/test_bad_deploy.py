"""Every event of a family fails, as after a bad deploy: the intake stops before it fails them all."""

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


def test_a_bad_deploy_stops_the_intake_and_fails_nothing(stack: Stack) -> None:
    stack.sql(BREAK)
    games = [event for user in range(20) for event in lane(f"player-{user}", range(1, 41), family="game")]
    free = [Sent(f"free-{number}", f"player-{number % 20}", family="game") for number in range(700)]
    settings = {"FAILURE_LIMIT_IN_A_ROW": str(LIMIT), "RETRY_MAX_RETRIES": "3", "CONSUMER_BATCH_SIZE": "100"}
    stack.produce(event.record() for event in games + free)
    stack.start("beat")
    stack.start("worker", **settings)
    consumer = stack.start("consumer", **settings)
    stack.wait_until(lambda: stack.count("processing_circuitbreaker") == 1, "the intake is stopped")
    _wait_for_probes(stack, 2)  # what a worker was at when the intake stopped is over
    taken, tried = stack.count("processing_inboxevent"), _tries(stack)
    _wait_for_probes(stack, 6)
    assert stack.count("processing_inboxevent") == taken < len(games + free), "something new was taken"
    assert stack.count("processing_deadletter") == 0
    assert _tries(stack) - tried <= stack.value("SELECT probes FROM processing_circuitbreaker"), (
        "more than one at a time was tried"
    )
    assert not stack.topic.is_drained()
    assert "stopped the intake" in consumer.output()

    stack.sql("DROP TRIGGER refuse ON game_events")
    stack.wait_until_final(len(games + free))
    assert stack.sql("SELECT status, count(*) FROM processing_inboxevent GROUP BY 1") == [
        ("processed", len(games + free))
    ]
    assert stack.count("game_events") == len(games + free)
    assert stack.count("processing_circuitbreaker") == 0
    for user in range(20):
        assert stack.redis.lrange(f"order:player-{user}", 0, -1) == [str(seq) for seq in range(1, 41)]


def _wait_for_probes(stack: Stack, count: int) -> None:
    stack.wait_until(
        lambda: int(stack.value("SELECT max(probes) FROM processing_circuitbreaker") or 0) >= count,
        "waiting events are tried",
    )


def _tries(stack: Stack) -> int:
    return int(stack.value("SELECT sum(attempts) FROM processing_inboxevent WHERE status = 'retrying'"))
