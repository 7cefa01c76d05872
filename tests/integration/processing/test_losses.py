"""Positions move with their batch, losses are told until somebody acknowledges them, lost events are found."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from ingest.health.views import of_the_site
from processing.domain.log_positions import Lost, Place, PositionMove, StoredPosition, Why
from processing.engine.process_batch import process_batch
from processing.models import Loss, OperatorAction, PartitionPosition
from processing.operators import losses as operators
from processing.postgres.log_positions import lock_positions, transaction_moving, write_positions
from processing.postgres.losses import add_losses, lost_events
from processing.postgres.transaction import transaction
from tests.support.batches import batch_of, value
from tests.support.factories import InboxEventFactory

EVENTS = ("events", 0)
NOW = 4_000_000_000_000  # Unix ms, later than any cut that a test finds
LONG_AGO = 1_000_000_000_000

pytestmark = pytest.mark.django_db(transaction=True)


def at(next: int, end: int = 0, topic_id: str = "a", generation: int = 1) -> None:
    with transaction() as cursor:
        write_positions(cursor, {EVENTS: StoredPosition(topic_id, next, end or next, generation)})


def stored() -> StoredPosition:
    with transaction() as cursor:
        return lock_positions(cursor, [EVENTS])[EVENTS]


def lose(*found: Lost) -> None:
    with transaction() as cursor:
        add_losses(cursor, [(EVENTS, each) for each in found])


def place(offset: int, topic_id: str = "a", when: int = NOW) -> Place:
    return Place(*EVENTS[:1], topic_id, EVENTS[1], offset, when)


def is_lost(offset: int, topic_id: str = "a", when: int = NOW) -> bool:
    return set(lost_events([("x", place(offset, topic_id, when))])) == {"x"}


def test_a_position_commits_with_its_batch_and_never_goes_back(redis: object, hints_off: None) -> None:
    at(10)
    batch = batch_of(value("a"))
    process_batch(batch.arrivals, [], moves=[PositionMove(*EVENTS, 1, 20, 30)])
    assert stored() == StoredPosition("a", 20, 30)
    process_batch(batch.arrivals, [], moves=[PositionMove(*EVENTS, 1, 15, 25)])  # by one who has the old part of it
    assert stored() == StoredPosition("a", 20, 30)
    with pytest.raises(RuntimeError), transaction_moving([PositionMove(*EVENTS, 1, 40, 40)]):
        raise RuntimeError("the batch failed")
    assert stored().next == 20


def test_a_late_batch_of_a_log_that_is_no_more_moves_nothing() -> None:
    at(5, topic_id="b", generation=2)
    with transaction_moving([PositionMove(*EVENTS, 1, 900, 900), PositionMove("unknown", 3, 1, 1, 1)]):
        pass
    assert stored() == StoredPosition("b", 5, 5, 2)
    assert PartitionPosition.objects.count() == 1


def test_an_event_whose_place_was_passed_is_lost_unless_the_inbox_has_it() -> None:
    at(10)
    assert is_lost(9)
    assert not is_lost(10)
    assert not is_lost(9, "another log, which no consumer has met yet")
    assert is_lost(9, ""), "where the door did not know the id the offset decides"
    InboxEventFactory.create(id="x")
    assert not is_lost(9)


def test_an_event_of_a_log_that_is_no_more_is_lost_unless_it_may_stand_in_the_new_one() -> None:
    at(3, end=6, topic_id="b", generation=2)
    lose(Lost("a", 10, None, Why.MADE_ANEW))
    assert is_lost(2), "the new log is read so far"
    assert is_lost(5_000, when=LONG_AGO)
    assert not is_lost(5, when=LONG_AGO), "the door may not have known yet that the topic is another one"
    assert not is_lost(5_000), "accepted after the new log was found"
    assert not is_lost(5, "b")
    at(6, topic_id="b", generation=2)
    assert is_lost(5, when=LONG_AGO), "it was not there"


def test_what_was_accepted_since_the_new_log_was_looked_at_may_stand_in_it() -> None:
    at(3, end=3, topic_id="b", generation=2)
    with transaction() as cursor:
        add_losses(cursor, [(EVENTS, Lost("a", 10, None, Why.MADE_ANEW))], age_s=60)
    now = round(time.time() * 1000)
    assert not is_lost(3, when=now - 30_000)
    assert is_lost(3, when=now - 90_000)


def test_where_a_log_was_cut_what_was_accepted_before_is_lost() -> None:
    at(3, generation=2)
    lose(Lost("a", 10, 19, Why.TRUNCATED))
    assert is_lost(15, when=LONG_AGO)
    assert not is_lost(15), "the offset was given anew after the cut"
    assert not is_lost(5, when=LONG_AGO), "it may still stand in what is left, and be read"
    assert is_lost(2, when=LONG_AGO)


def test_deleted_messages_are_found_by_the_position_alone() -> None:
    at(20)
    lose(Lost("a", 10, 19, Why.DELETED))
    assert is_lost(15)
    assert not is_lost(25, when=LONG_AGO)


def status() -> Any:
    return operators.overview()["losses"]


def test_a_loss_is_told_until_it_is_acknowledged(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    lose(Lost("a", 10, 19, Why.DELETED), Lost("a", 40, 41, Why.DELETED), Lost("a", 50, None, Why.MADE_ANEW))
    deleted, anew = status()
    assert (deleted["losses"], deleted["messages"], deleted["why"]) == (2, 12, "deleted")
    assert (anew["losses"], anew["messages"]) == (1, 0)
    assert any("events" in line and "12 messages" in line for line in operators.degraded())
    call_command("acknowledge_losses")
    first, second, third = sorted(Loss.objects.values_list("id", flat=True))
    assert f"loss {first}: events, partition 0, offsets 10 to 19 (deleted)" in capsys.readouterr().out
    call_command("acknowledge_losses", id=[first])
    assert status()[0]["messages"] == 2
    call_command("acknowledge_losses", all=True)
    assert status() == [] == operators.degraded()
    assert "loss" in capsys.readouterr().out
    with pytest.raises(CommandError, match="acknowledged before"):
        call_command("acknowledge_losses", id=[second])
    record = OperatorAction.objects.get(event_id=f"loss {third}")
    assert (record.action, record.detail) == ("acknowledge", "events, partition 0, from offset 50 on (made anew)")
    assert record.actor.endswith("(acknowledge_losses)")


def test_an_operator_acknowledges_on_the_losses_own_pages(operator: Client) -> None:
    lose(Lost("a", 10, 19, Why.DELETED), Lost("a", 40, None, Why.TRUNCATED))
    one, other = Loss.objects.order_by("id")
    page = "/admin/processing/loss/"
    assert operator.get(page).status_code == 200
    shown = operator.get(f"{page}{one.pk}/change/").content.decode()
    assert "Acknowledge" in shown
    assert operator.post(f"{page}{one.pk}/act/acknowledge/").status_code == 302
    asked = operator.post(page, {"action": "acknowledge", "_selected_action": [other.pk]}).context["question"]
    assert "What was lost stays lost" in asked.lines[1]
    answer = operator.post(asked.url, asked.hidden, follow=True)
    assert "Acknowledged: 1 loss." in answer.content.decode()
    assert set(Loss.objects.values_list("acknowledged_by", flat=True)) == {"ada"}
    assert "from offset 40 on (truncated)" in operator.get("/admin/processing/operatoraction/").content.decode()
    assert "Acknowledge" not in operator.get(f"{page}{one.pk}/change/").content.decode().replace("Acknowledged", "")


def test_readiness_and_metrics_tell_it(client: Client, redis: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processing.health.checks.ANSWER_S", 30.0)  # what a slow machine does not answer is told too
    of_the_site.cache_clear()  # it keeps what it was told for some seconds
    lose(Lost("a", 10, 19, Why.DELETED))
    answer = client.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ready"
    (line,) = answer.json()["degraded"]
    assert "10 messages" in line
    metrics = client.get("/metrics").content.decode()
    assert 'log_losses_unacknowledged{topic="events",why="deleted"} 1.0' in metrics
    assert 'log_lost_messages_unacknowledged{topic="events",why="deleted"} 10.0' in metrics
    call_command("acknowledge_losses", all=True)
    assert client.get("/health/ready").json() == {"status": "ready"}


def test_the_status_command_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    lose(Lost("a", 10, 19, Why.DELETED))
    call_command("pipeline_status", json=True)
    assert json.loads(capsys.readouterr().out)["losses"][0]["messages"] == 10
    call_command("pipeline_status")
    assert "10 or more of events (deleted), 1 losses" in capsys.readouterr().out
