"""Alerts: one when a state begins, one when it is over, whoever notices and however often; never an event's content."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from django.db.models import F
from pytest_django import Settings

from processing.background.alerts import GROUPS, tell_changes
from processing.models import Alert, FailureGroup, Process
from processing.operators import actions
from processing.postgres import alerts
from processing.postgres.alerts import CLAIM_S, GRACE_S
from tests.support import flaky
from tests.support.batches import value
from tests.support.dead import fail_for_good
from tests.support.factories import FailureGroupFactory

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("two_tries", "hints_off", "published"),
]


class Receiver(HTTPServer):
    """Takes what Apprise sends to a json:// address."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.received: list[str] = []
        self.broken = False
        Thread(target=self.serve_forever, daemon=True).start()

    def take(self) -> list[str]:
        taken, self.received = self.received, []
        return taken


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.server.broken:
            self.server.received.append(body["message"])
        self.send_response(500 if self.server.broken else 200)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    flaky.runs.clear()
    with Receiver() as server:
        settings.ALERT_URLS = [f"json://127.0.0.1:{server.server_port}/"]
        for role in ("web", "consumer", "worker", "beat"):
            Process.objects.create(role=role, host=role, pid=1, version="1", partitions=[])
        yield server
        server.shutdown()


def look(*, after_s: float = GRACE_S + 1) -> None:
    """Twice, so much time apart."""
    tell_changes()
    Alert.objects.update(since=F("since") - timedelta(seconds=after_s))
    tell_changes()


def silence(**which: str) -> None:
    ago = timedelta(minutes=1)
    rows = Process.objects.filter(**which)
    rows.update(started_at=F("started_at") - ago, heartbeat_at=F("heartbeat_at") - ago)


def test_where_all_is_well_nothing_is_told(receiver: Receiver) -> None:
    look()
    assert receiver.take() == []


def test_a_silent_process_is_told_once_and_once_that_it_is_over(receiver: Receiver) -> None:
    silence(role="consumer")
    look()
    assert receiver.take() == ["No consumer is running", "The consumer on consumer, process 1, is silent"]
    look()
    assert receiver.take() == []
    Process.objects.create(role="consumer", host="consumer", pid=2, version="1", partitions=[])
    tell_changes()
    told = receiver.take()
    assert told == ["Over: no consumer is running", "Over: the consumer on consumer, process 1, is silent"]
    assert not Alert.objects.exists()


def test_what_is_over_at_once_is_told_to_nobody(receiver: Receiver) -> None:
    silence(role="beat")
    tell_changes()
    Process.objects.create(role="beat", host="beat", pid=2, version="1", partitions=[])
    look()
    assert receiver.take() == []
    assert not Alert.objects.exists()


def test_a_new_group_of_failures_is_told_by_class_and_place_alone(receiver: Receiver) -> None:
    fail_for_good(value("secret-id", "secret-user", fails=99))
    look()
    (told,) = receiver.take()
    assert told.startswith("Dead letters of flaky (failed): RuntimeError in tests.support.flaky:")
    assert "secret" not in told
    actions.discard(ids=["secret-id"], actor="ada")
    tell_changes()
    assert receiver.take() == [f"Over: d{told[1:]}"]


def test_a_group_that_was_told_is_over_when_it_is_resolved_not_when_many_others_have_come(receiver: Receiver) -> None:
    oldest = FailureGroupFactory.create(kind="oldest", open=1)
    look()
    receiver.take()
    FailureGroupFactory.create_batch(GROUPS + 1, open=1)
    tell_changes()
    assert receiver.take() == []
    assert Alert.objects.filter(key="groups", text__contains=f"more than {GROUPS} groups").exists()
    FailureGroup.objects.filter(pk=oldest.pk).update(open=0)
    tell_changes()
    assert [told.partition(" (")[0] for told in receiver.take()] == ["Over: dead letters of oldest"]


def test_what_could_not_be_sent_is_sent_later(receiver: Receiver) -> None:
    receiver.broken = True
    silence(role="worker")
    look()
    receiver.broken = False
    tell_changes()
    assert receiver.take() == []  # still claimed
    Alert.objects.update(claimed_at=F("claimed_at") - timedelta(seconds=CLAIM_S + 1))
    tell_changes()
    assert len(receiver.take()) == 2


def test_two_who_notice_tell_once() -> None:
    alerts.note_states({"a": "something is wrong"})
    Alert.objects.update(since=F("since") - timedelta(seconds=GRACE_S + 1))
    assert [each.text for each in alerts.claim_untold()] == ["something is wrong"]
    alerts.note_states({"a": "something is wrong"})
    assert alerts.claim_untold() == []


def test_what_ends_while_it_is_told_is_told_to_be_over() -> None:
    alerts.note_states({"a": "something is wrong"})
    Alert.objects.update(since=F("since") - timedelta(seconds=GRACE_S + 1))
    (begun,) = alerts.claim_untold()
    alerts.note_states({})
    alerts.note_told(begun)
    assert [(each.text, each.over) for each in alerts.claim_untold()] == [("something is wrong", True)]


def test_what_begins_again_while_its_end_is_told_is_told_anew() -> None:
    alerts.note_states({"a": "something is wrong"})
    Alert.objects.update(told=True, since=F("since") - timedelta(seconds=GRACE_S + 1))
    alerts.note_states({})
    (over,) = alerts.claim_untold()
    assert over.over
    alerts.note_states({"a": "something is wrong"})
    alerts.note_told(over)
    assert [(each.text, each.over) for each in alerts.claim_untold()] == [("something is wrong", False)]


def test_what_ended_while_somebody_died_over_telling_it_is_forgotten() -> None:
    alerts.note_states({"a": "something is wrong"})
    Alert.objects.update(since=F("since") - timedelta(seconds=GRACE_S + 1))
    alerts.claim_untold()
    Alert.objects.update(claimed_at=F("claimed_at") - timedelta(seconds=CLAIM_S + 1))
    alerts.note_states({})
    assert not Alert.objects.exists()
