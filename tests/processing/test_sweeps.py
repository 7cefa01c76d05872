"""The sweeps: what others left waiting is found."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytest_django.fixtures import Settings
from redis import Redis

from processing import sweeps
from processing.settle import settle_batch
from tests.processing import flaky
from tests.processing.batches import batch_of, column, statuses, store, value

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("hints_off")]


@pytest.fixture(autouse=True)
def impatient(redis: Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    flaky.runs.clear()
    settings.SEQUENCE_GAP_TIMEOUT_MS = 0
    monkeypatch.setattr(sweeps, "PATIENCE_S", 0)


def stand_in(topic: str, partition: int) -> None:
    column("UPDATE inbox SET topic = %s, partition = %s::int RETURNING id", topic, str(partition))


@pytest.mark.parametrize(("partition", "passed"), [(0, False), (1, False), (2, True)])
def test_a_gap_before_an_event_whose_partition_is_no_more_is_passed(
    topics: Callable[..., str], partition: int, passed: bool
) -> None:
    store(value("b", seq=2))
    stand_in(topics("events", partitions=2), partition)
    assert sweeps.sweep_orphans() == passed
    assert statuses()["b"][0] == ("processed" if passed else "held")


def test_a_topic_that_is_no_more_has_no_partitions() -> None:
    store(value("b", seq=2))
    stand_in("a-topic-that-was-deleted", 0)
    assert sweeps.sweep_orphans() == 1
    assert statuses()["b"][0] == "processed"


def test_a_lane_whose_front_came_and_whose_consumer_died_gets_its_turn() -> None:
    store(value("b", seq=2))
    batch = batch_of(value("a", seq=1))
    settle_batch(batch.arrivals, batch.poisons)
    assert statuses()["a"][0] == "held"
    sweeps.sweep_lanes()
    assert {status for status, _ in statuses().values()} == {"processed"}


def test_a_retry_whose_hint_was_lost_is_made() -> None:
    store(value("a", fails=1), value("b", fails=1, seq=1), value("c", seq=2))
    column("UPDATE inbox SET next_attempt_at = now() - interval '1 second' WHERE status = 'retrying' RETURNING id")
    assert sweeps.sweep_retries() == 3
    assert {status for status, _ in statuses().values()} == {"processed"}
