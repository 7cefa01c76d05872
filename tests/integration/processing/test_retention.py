"""Retention: payloads go, ids stay; what may still be needed is left alone."""

from __future__ import annotations

import pytest
from pytest_django.fixtures import Settings
from redis import Redis

from processing.background import retention
from processing.hot_state.write import rebuild_order_lists
from processing.operators import actions
from tests.support import flaky
from tests.support.batches import column, statuses, store, value

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("hints_off")]


@pytest.fixture(autouse=True)
def old_events(redis: Redis, settings: Settings) -> None:
    """A processed, a held, a failed and a discarded event, forty days old."""
    flaky.runs.clear()
    settings.RETRY_MAX_RETRIES = 0
    store(value("done", seq=1), value("held", seq=3), value("failed", fails=9), value("discarded", fails=9))
    column("UPDATE processing_deadletter SET published_at = now() RETURNING event_id")
    actions.discard(ids=["discarded"], actor="tester")
    column("UPDATE processing_inboxevent SET received_at = now() - interval '40 days' RETURNING id")


def stripped() -> list[str]:
    return column("SELECT id FROM processing_inboxevent WHERE payload IS NULL ORDER BY id")


def test_old_final_events_lose_their_payload_and_still_count_once(redis: Redis) -> None:
    before = statuses()
    assert retention.retire() == 2
    assert stripped() == ["discarded", "done"]
    assert store(value("done", seq=1)).count("duplicate") == 1
    assert statuses() == before
    redis.flushdb()
    rebuild_order_lists(["u"])
    assert redis.lrange("order:u", 0, -1) == [b"1"]


def test_a_letter_without_its_copy_keeps_its_bytes() -> None:
    column("UPDATE processing_deadletter SET published_at = NULL RETURNING event_id")
    retention.retire()
    assert stripped() == ["done"]


def test_what_became_final_after_its_time_was_stripped_loses_its_payload_too() -> None:
    retention.retire()
    store(value("front", seq=2))
    actions.discard(ids=["failed"], actor="tester")
    assert {statuses()[id][0] for id in ("held", "failed")} == {"processed", "failed"}
    assert retention.retire() == 2
    assert stripped() == ["discarded", "done", "failed", "held"]
    assert retention.retire() == 0


def test_the_headers_of_a_cloudevent_go_with_its_payload() -> None:
    """A binary one's user, and whatever else its sender tells of it, stand in them."""
    retention.retire()
    column("UPDATE processing_inboxevent SET headers = '[[\"ce_subject\",\"dQ==\"]]' WHERE id = 'failed' RETURNING id")
    actions.discard(ids=["failed"], actor="tester")
    retention.retire()
    assert column("SELECT headers FROM processing_inboxevent WHERE id = 'failed'") == [None]


def test_young_events_stay_as_they_are(settings: Settings) -> None:
    settings.RETENTION_DAYS = 41
    assert retention.retire() == 0
    assert stripped() == []


def test_ids_are_forgotten_only_when_asked_for(settings: Settings) -> None:
    settings.RETENTION_FORGET_DAYS = 39
    retention.retire()
    assert sorted(statuses()) == ["failed", "held"]
