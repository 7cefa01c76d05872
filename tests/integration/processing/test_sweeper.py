"""The sweeps: what others left waiting is found."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytest_django.fixtures import Settings
from redis import Redis

from processing.background import sweeper
from processing.engine import release
from processing.engine.process_batch import process_batch
from processing.postgres import due
from tests.support import flaky
from tests.support.batches import applied, batch_of, column, statuses, store, value

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("hints_off")]


@pytest.fixture(autouse=True)
def impatient(redis: Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    flaky.runs.clear()
    settings.SEQUENCE_GAP_TIMEOUT_MS = 0
    monkeypatch.setattr(sweeper, "PATIENCE_S", 0)


def stand_in(topic: str, partition: int) -> None:
    column("UPDATE processing_inboxevent SET topic = %s, partition = %s::int RETURNING id", topic, str(partition))


@pytest.mark.parametrize(("partition", "passed"), [(0, False), (1, False), (2, True)])
def test_a_gap_before_an_event_whose_partition_is_no_more_is_passed(
    topics: Callable[..., str], partition: int, passed: bool
) -> None:
    store(value("b", seq=2))
    stand_in(topics("events", partitions=2), partition)
    assert sweeper.pass_orphaned_gaps() == passed
    assert statuses()["b"][0] == ("processed" if passed else "held")


def test_a_topic_that_is_no_more_has_no_partitions() -> None:
    store(value("b", seq=2))
    stand_in("a-topic-that-was-deleted", 0)
    assert sweeper.pass_orphaned_gaps() == 1
    assert statuses()["b"][0] == "processed"


def test_a_lane_whose_front_came_and_whose_consumer_died_gets_its_turn() -> None:
    store(value("b", seq=2))
    batch = batch_of(value("a", seq=1))
    process_batch(batch.arrivals, batch.poisons)
    assert statuses()["a"][0] == "held"
    sweeper.rescue_lanes()
    assert {status for status, _ in statuses().values()} == {"processed"}


def test_a_lane_in_which_much_waits_keeps_no_worker_and_each_sweep_goes_on_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(due, "TURN_ROWS", 10)
    monkeypatch.setattr(release, "TURNS_S", 0)
    batch = batch_of(*(value(f"e-{seq}", seq=seq) for seq in range(2, 31)))
    process_batch(batch.arrivals, [])
    process_batch(batch_of(value("e-1", seq=1)).arrivals, [])
    assert [sweeper.rescue_lanes() for _ in range(4)] == [10, 10, 10, 0]
    assert applied() == list(range(1, 31))


def test_a_retry_whose_hint_was_lost_is_made() -> None:
    store(value("a", fails=1), value("b", fails=1, seq=1), value("c", seq=2))
    column(
        """UPDATE processing_inboxevent SET next_attempt_at = now() - interval '1 second'
           WHERE status = 'retrying' RETURNING id"""
    )
    assert sweeper.rescue_retries() == 3
    assert {status for status, _ in statuses().values()} == {"processed"}
