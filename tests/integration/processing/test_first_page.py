"""The first page of the admin says what is wrong, what waits, and what came of events; Processes shows silent ones."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import User
from django.db.models import F
from django.test import Client
from django.urls import reverse

from processing.background.state import count_if_due
from processing.models import PipelineState, Process
from tests.support import flaky
from tests.support.batches import value
from tests.support.dead import consume, fail_for_good
from tests.support.operator_pages import page

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("two_tries", "hints_off", "published"),
]
FIRST = "/admin/"
PROCESSES = "/admin/processing/process/"


@pytest.fixture(autouse=True)
def fresh_runs() -> None:
    flaky.runs.clear()


def run(*roles: str) -> None:
    for role in roles:
        Process.objects.create(role=role, host=f"{role}-host", pid=1, version="1", partitions=[])


def silence(role: str) -> None:
    ago = timedelta(minutes=1)
    Process.objects.filter(role=role).update(started_at=F("started_at") - ago, heartbeat_at=F("heartbeat_at") - ago)


def test_it_tells_what_runs_and_what_is_missing(operator: Client) -> None:
    assert count_if_due()
    run("web", "worker", "beat")
    assert "No consumer is running" in page(operator, FIRST)
    run("consumer")
    assert "All 4 processes are running, and none is behind." in page(operator, FIRST)
    silence("worker")
    text = page(operator, FIRST)
    assert "No worker is running" in text
    assert "The worker on worker-host, process 1, has been silent for 6" in text


def test_it_tells_that_the_consumers_are_far_behind(operator: Client) -> None:
    lag = {"topic": "events", "partition": 3, "messages": 900, "seconds": 61.5}
    Process.objects.create(role="consumer", host="h", pid=1, version="1", partitions=[lag])
    text = page(operator, FIRST)
    assert "The consumers are 62 s behind" in text
    assert "events 3" in text


def test_it_tells_what_came_of_events_and_what_waits(operator: Client) -> None:
    run("web", "consumer", "worker", "beat")
    consume(value("a"), value("waits", user="l", seq=2), value("c", family="game", type="move", data={}))
    fail_for_good(value("b", fails=99))
    assert count_if_due()
    text = page(operator, FIRST)
    assert "flaky · failed" in text
    assert "RuntimeError" in text
    assert "An operator should see to 1 dead letter of 1 cause" in text
    assert "for a seq that is missing" in text
    assert "processed: 2/min" in text
    assert reverse("admin:processing_inboxevent_change", args=["b"]) in text
    for period in ("day", "week", "no such"):
        assert "flaky" in page(operator, f"{FIRST}?period={period}")


def test_what_waits_is_counted_by_one_process_at_a_time() -> None:
    assert count_if_due()
    assert not count_if_due()
    at_once = {"took_s": 0.0}  # a count that took long delays the next
    PipelineState.objects.update(counted_at=F("counted_at") - timedelta(seconds=6), numbers=at_once)
    assert count_if_due()
    assert PipelineState.objects.get().numbers["held"] == 0


def test_it_reads_no_big_table(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    execute = psycopg.Cursor.execute

    def note(cursor: psycopg.Cursor[Any], query: Any, *args: Any, **options: Any) -> Any:
        read.append(str(query))
        return execute(cursor, query, *args, **options)

    monkeypatch.setattr(psycopg.Cursor, "execute", note)
    page(operator, FIRST)
    assert any("processing_count" in query for query in read)
    assert not [query for query in read if "processing_inboxevent" in query or "processing_deadletter" in query]


def test_those_who_may_not_see_events_see_djangos_own(client: Client) -> None:
    client.force_login(User.objects.create_user("eve", is_staff=True))
    response = client.get(FIRST)
    assert response.status_code == 200
    assert b"pipeline" not in response.content


def test_silent_processes_are_red(operator: Client) -> None:
    run("web", "consumer")
    assert "pipeline-bad" not in page(operator, PROCESSES)
    silence("consumer")
    text = page(operator, PROCESSES)
    assert '<strong class="pipeline-bad">silent</strong>' in text
    assert "1 min ago" in text
    run("consumer")
    assert "silent, and replaced" in page(operator, PROCESSES)
    assert page(operator, f"{PROCESSES}{Process.objects.earliest('pk').pk}/change/")
