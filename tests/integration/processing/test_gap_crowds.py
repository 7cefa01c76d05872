"""Crowds of gaps: how many rounds and transactions they take, and who has the next turns. No broker is asked."""

from __future__ import annotations

import pytest
from pytest_django.fixtures import Settings
from redis import Redis

from processing.engine import release
from processing.models import PassedGap
from processing.postgres import due, gaps
from tests.support import flaky
from tests.support.batches import applied, column
from tests.support.gaps import TIMEOUT_S, Consuming, numbered, waiting

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("hints_off")]


@pytest.fixture(autouse=True)
def patience(redis: Redis, settings: Settings) -> None:
    flaky.runs.clear()
    settings.SEQUENCE_GAP_TIMEOUT_MS = TIMEOUT_S * 1000
    settings.RETRY_BACKOFF_MS = 0


def test_a_lane_of_even_seqs_is_through_in_one_round(monkeypatch: pytest.MonkeyPatch, redis: Redis) -> None:
    monkeypatch.setattr(due, "TURN_ROWS", 100)
    consumer = Consuming()
    consumer.read(*numbered("u", *range(2, 602, 2)), at=0.0)
    assert consumer.look(at=2.0) == 300
    assert consumer.asked == 1
    assert [len(result.outcomes) for result in consumer.results] == [100, 100, 100]
    assert applied() == list(range(2, 602, 2))
    assert redis.llen("order:u") == 300
    assert PassedGap.objects.count() == 300
    assert set(column("SELECT last_seq - first_seq FROM processing_passedgap")) == {0}


def test_a_crowd_of_lanes_is_through_in_one_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "LANES_AT_ONCE", 50)
    consumer = Consuming()
    for number in range(10):
        consumer.read(*(each for lane in range(30) for each in numbered(f"u-{number}-{lane}", 57)), at=number / 10)
    assert consumer.look(at=2.9) == 300
    assert consumer.asked == 1
    assert [len(result.outcomes) for result in consumer.results] == [50] * 6
    assert waiting() == []


def test_who_came_between_two_parts_of_a_crowd_is_among_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "LANES_AT_ONCE", 10)
    consumer = Consuming()
    consumer.read(*(each for lane in range(60) for each in numbered(f"crowd-{lane:02}", 2)), at=0.0)
    consumer.read(*numbered("neighbour", 2), at=0.1)
    consumer.read(*(each for lane in range(60, 120) for each in numbered(f"crowd-{lane:02}", 2)), at=0.2)
    assert consumer.look(at=2.2) == 121
    assert consumer.asked == 1
    assert "neighbour-2" in [outcome.event.id for outcome in consumer.results[0].outcomes]
    assert [len(result.outcomes) for result in consumer.results] == [10] * 12 + [1]


def test_a_crowd_is_not_looked_for_again_while_it_has_its_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "LANES_AT_ONCE", 10)
    consumer = Consuming()
    consumer.read(*(each for lane in range(60) for each in numbered(f"crowd-{lane:02}", 2)), at=0.0)
    consumer.read(*numbered("neighbour", 2), at=1.0)
    consumer.ready.add_passable(consumer.rounds.look(2.0))
    next(consumer.turns())
    assert [found.user_id for found in consumer.rounds.look(3.0, consumer.ready.passable())] == ["neighbour"]


def test_who_came_after_a_crowd_that_one_look_does_not_find_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaps, "LANES", 10)
    monkeypatch.setattr(gaps, "LEAST", 10)
    consumer = Consuming()
    consumer.read(*(each for lane in range(60) for each in numbered(f"crowd-{lane:02}", 2)), at=0.0)
    consumer.read(*numbered("neighbour", 2), at=0.1)
    assert consumer.look(at=2.1) < 61
    assert "neighbour-2" not in waiting()
    while waiting():
        assert consumer.look(at=2.2) > 0


def test_who_comes_while_a_crowd_has_its_turns_is_among_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "LANES_AT_ONCE", 10)
    consumer = Consuming()
    consumer.read(*(each for lane in range(60) for each in numbered(f"crowd-{lane:02}", 2)), at=0.0)
    consumer.read(*numbered("neighbour", 2), at=1.0)
    consumer.ready.add_passable(consumer.rounds.look(2.0))
    turns = consumer.turns()
    next(turns)
    consumer.ready.add_passable(consumer.rounds.look(3.0))
    assert consumer.asked == 2
    assert "neighbour-2" in [outcome.event.id for outcome in next(turns).outcomes]
    assert sum(len(result.outcomes) for result in turns) == 61 - 20
    assert waiting() == []


def test_a_lane_in_which_much_waits_takes_no_turn_from_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due, "TURN_ROWS", 20)
    monkeypatch.setattr(release, "LANES_AT_ONCE", 2)
    consumer = Consuming()
    consumer.read(*numbered("long", *range(2, 102)), at=0.0)
    consumer.read(*numbered("long", 1), at=0.0)
    turns = consumer.turns()
    assert len(next(turns).outcomes) == 20
    consumer.read(*(each for lane in range(4) for each in numbered(f"u-{lane}", 2)), at=0.1)
    consumer.read(*(each for lane in range(4) for each in numbered(f"u-{lane}", 1)), at=0.1)
    for _ in range(6):
        next(turns)
    assert [applied(f"u-{lane}") for lane in range(4)] == [[1, 2]] * 4
    assert len(applied("long")) < 101
    assert sum(len(result.outcomes) for result in turns) > 0
    assert applied("long") == list(range(1, 102))
