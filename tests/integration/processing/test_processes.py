"""Each process is a row while it runs; one that fell silent is told from one that ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from processing.background import heartbeat, retention
from processing.background.heartbeat import Heartbeat
from processing.domain import process
from processing.domain.failures import Cause
from processing.domain.process import PartitionLag, note_done, note_error
from processing.models import Process
from processing.postgres.processes import SILENT_S, find_processes

pytestmark = pytest.mark.django_db(transaction=True)


def until(is_so: Callable[[], bool], within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def beating(monkeypatch: pytest.MonkeyPatch) -> Iterator[Heartbeat]:
    monkeypatch.setattr(heartbeat, "EVERY_S", 0.02)
    monkeypatch.setattr(heartbeat, "END_WITHIN_S", 30.0)
    monkeypatch.setattr(process, "_role", "consumer")
    each = Heartbeat(lambda: [PartitionLag("events", 3, 17, 1.5)]).start()
    until(lambda: Process.objects.exists())
    yield each
    each.end()


def fall_silent(seconds: float = SILENT_S + 1) -> None:
    ago = timedelta(seconds=seconds)
    Process.objects.update(started_at=F("started_at") - ago, heartbeat_at=F("heartbeat_at") - ago)


def test_a_process_says_what_it_does_and_when_it_ends(beating: Heartbeat) -> None:
    note_error(Cause("KeyError", "shop.events:41 in place"))

    def tells_its_rate() -> bool:
        note_done(1_000_000)  # again each time: the next beat says what was done since this one
        return Process.objects.filter(rate__gt=0).exists()

    until(tells_its_rate)
    (found,) = find_processes()
    assert (found.role, found.silent, found.error_class) == ("consumer", False, "KeyError")
    assert found.partitions == [{"topic": "events", "partition": 3, "messages": 17, "seconds": 1.5}]
    beating.end()
    assert find_processes() == []
    assert Process.objects.get().ended_at is not None


def test_a_row_that_was_taken_away_is_made_anew(beating: Heartbeat) -> None:
    first = Process.objects.get().pk
    Process.objects.all().delete()
    until(lambda: Process.objects.exclude(pk=first).exists())


def test_one_without_a_heartbeat_is_silent_until_another_takes_its_place() -> None:
    Process.objects.create(role="consumer", host="h", pid=1, version="1", partitions=[])
    Process.objects.create(role="consumer", host="other", pid=1, version="1", partitions=[])
    assert [each.silent for each in find_processes()] == [False, False]
    fall_silent()
    assert [each.silent for each in find_processes()] == [True, True]
    Process.objects.create(role="consumer", host="h", pid=2, version="1", partitions=[])
    assert [(each.host, each.pid, each.silent, each.replaced) for each in find_processes()] == [
        ("h", 1, False, True),
        ("h", 2, False, False),
        ("other", 1, True, False),
    ]


def test_what_has_long_been_gone_is_forgotten() -> None:
    Process.objects.create(role="web", host="h", pid=1, version="1", partitions=[], ended_at=timezone.now())
    Process.objects.create(role="web", host="h", pid=2, version="1", partitions=[])
    fall_silent(90_000)
    Process.objects.create(role="web", host="h", pid=3, version="1", partitions=[])
    retention.retire()
    assert list(Process.objects.values_list("pid", flat=True)) == [3]
