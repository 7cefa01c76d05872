"""Skipped events that an operator lets wait in their lane again: the gaps before them, and retention beside it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.db.transaction import atomic
from django.utils import timezone
from pytest_django import Settings
from redis import Redis

from processing.background import retention
from processing.domain.statuses import Status
from processing.models import InboxEvent
from processing.operators.set_lane import set_lane
from processing.postgres.gaps import origins_at_gaps
from tests.support.astray import CLOCK, front, led_astray, numbered, pass_gap, put, states, work
from tests.support.dead import consume, order, row
from tests.support.locks import somebody_waits_for_a_lock

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("two_tries", "hints_off")]


def test_a_gap_before_a_replayed_event_is_its_partitions_or_its_files(redis: Redis, settings: Settings) -> None:
    settings.SEQUENCE_MAX_AHEAD = settings.SEQUENCE_GAP_TIMEOUT_MS = 0
    consume(*numbered(1, 2, 3, CLOCK))
    pass_gap()
    consume(*numbered(5))
    assert (row("e-5").status, row("e-5").raw) == (Status.SKIPPED, None)
    put(4, replay=True)
    assert [origin.partition for origin in origins_at_gaps(0)] == [("events", 0)]
    pass_gap()
    assert order(redis) == [1, 2, 3, 5, CLOCK]


@pytest.mark.parametrize("forget_days", [0, 39])
@pytest.mark.parametrize("retention_comes_first", [True, False])
def test_a_skipped_event_that_retention_takes_meanwhile_does_not_wait_without_its_payload(
    redis: Redis, settings: Settings, retention_comes_first: bool, forget_days: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("processing.operators.set_lane.LOCK_WAIT_S", 30.0)
    settings.RETENTION_FORGET_DAYS = forget_days
    led_astray(settings)
    InboxEvent.objects.filter(pk__in=["e-4", "e-5"]).update(received_at=timezone.now() - timedelta(days=40))
    first, second = (retire, replay_from_4) if retention_comes_first else (replay_from_4, retire)
    beside = threading.Thread(target=in_own_connection, args=(second,))
    with atomic():
        first()
        beside.start()
        while not somebody_waits_for_a_lock():
            assert beside.is_alive()
    beside.join()
    work()
    if retention_comes_first:
        assert set(states()) == ({1, 2, 3, CLOCK} if forget_days else {1, 2, 3, 4, 5, CLOCK})
        assert not InboxEvent.objects.filter(status=Status.HELD).exists()
        assert front() == 4
    else:
        assert (states()[4], states()[5], front()) == ("processed", "processed", 6)


def replay_from_4() -> None:
    set_lane("u-1", 4, replay=True, actor="ada")


def retire() -> None:
    retention.retire()


def in_own_connection(work: Callable[[], None]) -> None:
    try:
        work()
    finally:
        connection.close()
