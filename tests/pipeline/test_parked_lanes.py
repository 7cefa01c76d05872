"""Lanes that are parked on a failed event, with the Procfile's processes, which are killed before and after it."""

from __future__ import annotations

import pytest

from tests.pipeline.load import Sent, lane
from tests.pipeline.stack import Stack

pytestmark = pytest.mark.pipeline

USERS, SEQS, BROKEN = 40, 20, 5
PARK = {"FAMILY_ON_FAILURE": "game=park"}


def _lanes(*, fails: int) -> list[Sent]:
    """In each lane one event fails so often."""
    return [
        Sent(event.id, event.user, event.seq, family="game", fail=fails if event.seq == BROKEN else False)
        for user in range(USERS)
        for event in lane(f"player-{user}", range(1, SEQS + 1))
    ]


def _parked(stack: Stack) -> int:
    return int(stack.value("SELECT count(*) FROM processing_lane WHERE waits_for = 'park'"))


def _applied(stack: Stack) -> int:
    return stack.count("game_events")


def _check_parked(stack: Stack) -> None:
    stack.wait_until(lambda: _parked(stack) == USERS, "every lane is parked")
    stack.wait_until_read(USERS * SEQS)
    assert _applied(stack) == USERS * (BROKEN - 1), "nothing overtook a failed event"
    assert stack.sql("SELECT DISTINCT next_seq FROM processing_lane") == [(BROKEN,)]
    assert stack.count("processing_passedgap") == 0


def _check_whole(stack: Stack) -> None:
    stack.wait_until_final(USERS * SEQS)
    assert stack.sql("SELECT DISTINCT status FROM processing_inboxevent") == [("processed",)]
    assert _applied(stack) == USERS * SEQS
    for user in range(USERS):
        seqs = stack.sql("SELECT seq FROM game_events WHERE player_id = %s ORDER BY id", f"player-{user}")
        assert [seq for (seq,) in seqs] == list(range(1, SEQS + 1))
        assert stack.redis.lrange(f"order:player-{user}", 0, -1) == [str(seq) for seq in range(1, SEQS + 1)]
    assert _parked(stack) == 0


def test_a_worker_is_killed_before_lanes_are_parked_and_while_they_are_released(stack: Stack) -> None:
    stack.produce(event.record() for event in _lanes(fails=4))
    stack.start("beat", **PARK)
    stack.start("consumer", **PARK)
    worker = stack.start("worker", **PARK)
    stack.wait_until(lambda: _parked(stack) > 0, "the first lanes are parked")
    worker.kill()
    stack.start("worker", **PARK)
    _check_parked(stack)

    stack.processes[-1].kill()
    stack.manage("replay_dead_letters", "--type", "game.move", **PARK)
    worker = stack.start("worker", **PARK)
    stack.wait_until(lambda: _applied(stack) > USERS * BROKEN, "the first lanes are released")
    worker.kill()
    stack.start("worker", **PARK)
    _check_whole(stack)
    assert stack.sql("SELECT DISTINCT attempts FROM processing_inboxevent WHERE seq = %s", BROKEN) == [(5,)]


def test_a_consumer_that_parks_lanes_itself_is_killed_and_so_is_the_replay(stack: Stack) -> None:
    at_once = {**PARK, "RETRY_MAX_RETRIES": "0", "CONSUMER_BATCH_SIZE": "100"}
    stack.produce(event.record() for event in _lanes(fails=1))
    stack.start("beat", **at_once)
    stack.start("worker", **at_once)
    consumer = stack.start("consumer", **at_once)
    stack.wait_until(lambda: _parked(stack) > 0, "the first lanes are parked")
    consumer.kill()
    stack.start("consumer", **at_once)
    _check_parked(stack)

    command = "python manage.py replay_dead_letters --type game.move"
    replay = stack.run(command, ends=True, **at_once)
    stack.wait_until(lambda: stack.count("processing_deadletter") < USERS, "it has begun")
    replay.kill()
    stack.manage("replay_dead_letters", "--type", "game.move", **at_once)
    _check_whole(stack)
