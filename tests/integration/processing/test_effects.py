"""Tasks after events, on a real Postgres: written with the event, claimed, tried again, in order, under one token."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from pytest_django import Settings

from processing.background import retention, sweeper
from processing.domain.effects import Effect as NewEffect
from processing.domain.effects import after, token_of
from processing.engine import effects as engine
from processing.engine import enqueue
from processing.models import Effect, InboxEvent, OperatorAction
from processing.operators import effects as operators
from processing.postgres import effects
from processing.postgres.elapsed import let_pass
from processing.postgres.transaction import transaction
from processing.testing import Pipeline
from tests.support.effects import LATER_S, shipped, states
from tests.support.warehouse import events as warehouse
from tests.support.warehouse.events import SHIP, WEIGH, ParcelPacked, ship
from tests.support.warehouse.models import Call, Receipt

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("messages")]


@pytest.fixture
def pipeline(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """What is to be tried again is not due before a test lets time pass, however slow the machine."""
    settings.RETRY_BACKOFF_MS = 15_000
    monkeypatch.setattr(engine, "TURN_S", 60.0)
    monkeypatch.setattr(sweeper, "PATIENCE_S", 60)
    return Pipeline()


class TestWithTheEvent:
    def test_each_task_is_a_row_of_the_events_transaction_and_runs_with_its_token(self, pipeline: Pipeline) -> None:
        pipeline.apply(ParcelPacked(number=1), id="a", user="u")
        assert list(Effect.objects.order_by("id").values_list("token", "name", "ordered")) == [
            (token_of("a", WEIGH), WEIGH, False),
            (token_of("a", SHIP), SHIP, True),
        ]
        assert engine.run_effects() == 2
        assert states() == [("a", "done", 1), ("a", "done", 1)]
        assert set(Receipt.objects.values_list("token", "task", "user_id", "number")) == {
            (token_of("a", WEIGH), "weigh", "u", 1),
            (token_of("a", SHIP), "ship", "u", 1),
        }

    def test_an_event_that_was_rolled_back_has_none(self, pipeline: Pipeline) -> None:
        pipeline.apply(ParcelPacked(number=1, broken=True))
        pipeline.advance(LATER_S)
        assert states() == []

    def test_one_that_is_processed_at_a_later_try_has_them_once(self, pipeline: Pipeline) -> None:
        pipeline.fail_once(ParcelPacked)
        pipeline.apply(ParcelPacked(number=1), id="a")
        assert states() == []
        pipeline.advance(LATER_S)
        pipeline.apply(ParcelPacked(number=1), id="a")
        assert states() == [("a", "waiting", 0)] * 2

    def test_a_token_that_is_there_stays_as_it_is(self, pipeline: Pipeline) -> None:
        pipeline.apply(ParcelPacked(number=1), id="a")
        engine.run_effects()
        again = NewEffect(token_of("a", WEIGH), WEIGH, "a", "user-1", ordered=False, lease_s=5)
        with transaction() as cursor:
            effects.add_effects(cursor, [again])
        assert states() == [("a", "done", 1)] * 2

    def test_a_commit_sends_a_message_and_the_sweep_another_for_one_that_was_lost(
        self, pipeline: Pipeline, messages: list[str]
    ) -> None:
        pipeline.apply(ParcelPacked(number=1))
        sweeper.rescue_effects()
        assert messages == []
        let_pass(LATER_S)
        sweeper.rescue_effects()
        assert messages == [enqueue.RUN_EFFECTS]


class TestFailure:
    def test_a_task_that_fails_is_tried_again_under_its_token(self, pipeline: Pipeline, messages: list[str]) -> None:
        pipeline.apply(ParcelPacked(number=1, fails=1), id="a")
        engine.run_effects()
        assert states() == [("a", "waiting", 1)] * 2
        assert Effect.objects.earliest("id").error.startswith("ServiceError: out of paper, at tests.support.warehouse")
        assert messages == [enqueue.RUN_EFFECTS] * 2
        assert engine.run_effects() == 0
        let_pass(LATER_S)
        engine.run_effects()
        assert states() == [("a", "done", 2)] * 2
        assert Call.objects.filter(token=token_of("a", SHIP)).count() == 2
        assert shipped() == [("user-1", 1)]

    def test_one_whose_tries_are_used_up_is_replayed_under_its_token_or_discarded(
        self, pipeline: Pipeline, settings: Settings
    ) -> None:
        settings.RETRY_MAX_RETRIES = 0
        pipeline.apply(ParcelPacked(number=1, fails=1), id="a")
        engine.run_effects()
        weigh, ship = Effect.objects.order_by("id")
        assert (weigh.status, ship.status) == ("failed", "failed")
        done = operators.discard(ids=[str(weigh.pk)], actor="ada")
        assert done.done == {str(weigh.pk): "discarded"}
        done = operators.replay(ids=[str(weigh.pk), str(ship.pk)], actor="ada")
        assert done.refused == {str(weigh.pk): "has not failed, or is discarded"}
        engine.run_effects()
        assert states() == [("a", "discarded", 1), ("a", "done", 2)]
        assert [(r.task, r.token) for r in Receipt.objects.all()] == [("ship", token_of("a", SHIP))]
        assert list(OperatorAction.objects.order_by("id").values_list("event_id", "action", "detail")) == [
            ("a", "discard effect", WEIGH),
            ("a", "replay effect", SHIP),
        ]

    def test_a_task_that_exits_ends_nothing_but_itself(
        self, pipeline: Pipeline, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.RETRY_MAX_RETRIES = 0
        monkeypatch.setattr(warehouse, "ServiceError", SystemExit)
        pipeline.apply(ParcelPacked(number=1, fails=1), id="a")
        engine.run_effects()
        assert states() == [("a", "failed", 1)] * 2

    def test_what_is_not_declared_any_more_says_what_to_do(self, pipeline: Pipeline, settings: Settings) -> None:
        settings.RETRY_MAX_RETRIES = 0
        pipeline.apply(ParcelPacked(number=1))
        Effect.objects.filter(name=SHIP).delete()
        Effect.objects.update(name="shop.tasks.gone")
        engine.run_effects()
        assert "no @after names shop.tasks.gone" in Effect.objects.get().error


class TestRetention:
    def test_what_has_ended_goes_and_what_waits_keeps_the_payload_of_its_event(self, pipeline: Pipeline) -> None:
        pipeline.apply(ParcelPacked(number=1), id="done")
        engine.run_effects()
        pipeline.apply(ParcelPacked(number=2), id="waiting")
        old = datetime.now(UTC) - timedelta(days=31)
        InboxEvent.objects.update(received_at=old)
        Effect.objects.filter(status="done").update(ended_at=old)
        retention.retire()
        assert [id for id, _, _ in states()] == ["waiting"] * 2
        kept = dict(InboxEvent.objects.values_list("id", "payload"))
        assert kept["done"] is None
        assert kept["waiting"] is not None

    def test_an_event_that_is_to_be_forgotten_stays_as_long_as_a_task_of_it_waits(
        self, pipeline: Pipeline, settings: Settings
    ) -> None:
        settings.RETENTION_FORGET_DAYS = 30
        pipeline.apply(ParcelPacked(number=1), id="a")
        InboxEvent.objects.update(received_at=datetime.now(UTC) - timedelta(days=31))
        retention.retire()
        assert engine.run_effects() == 2
        assert {status for _, status, _ in states()} == {"done"}
        retention.retire()
        assert not InboxEvent.objects.exists()


class TestPages:
    def test_an_effect_is_seen_in_the_list_in_its_events_timeline_and_can_be_replayed(
        self, pipeline: Pipeline, operator: Client, settings: Settings
    ) -> None:
        settings.RETRY_MAX_RETRIES = 0
        pipeline.apply(ParcelPacked(number=1, fails=1), id="a")
        engine.run_effects()
        listed = operator.get("/admin/processing/effect/?state=failed").content.decode()
        assert listed.count("out of paper") >= 2
        page = operator.get("/admin/processing/inboxevent/a/change/").content.decode()
        assert f"its task {SHIP}" in page
        assert "out of paper" in page
        ship = Effect.objects.get(name=SHIP)
        one = operator.get(f"/admin/processing/effect/{ship.pk}/change/").content.decode()
        assert token_of("a", SHIP) in one
        operator.post(f"/admin/processing/effect/{ship.pk}/act/replay_effect/")
        engine.run_effects()
        assert Effect.objects.get(name=SHIP).status == "done"
        assert "done, attempt 2" in operator.get("/admin/processing/inboxevent/a/change/").content.decode()


class TestDeclarations:
    def test_a_task_is_named_once_and_with_a_dot(self) -> None:
        with pytest.raises(ValueError, match=r"ship.* follows warehouse/parcel.packed already: name each task once"):
            after(ParcelPacked)(ship)
        with pytest.raises(ValueError, match="'ship' is no task's name: it needs a dot"):
            after(ParcelPacked)("ship")

    def test_a_task_that_celery_does_not_know_says_so(
        self, pipeline: Pipeline, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from processing.domain import effects as declared

        monkeypatch.setattr(declared, "_after", {})
        after(ParcelPacked)("shop.tasks.elsewhere")
        settings.RETRY_MAX_RETRIES = 0
        pipeline.apply(ParcelPacked(number=1))
        engine.run_effects()
        assert "Celery has no task 'shop.tasks.elsewhere': import its module" in Effect.objects.get().error


class TestInATest:
    def test_the_effects_of_an_event_are_run(self, pipeline: Pipeline) -> None:
        pipeline.apply(ParcelPacked(number=1, labels=2), id="a")
        assert pipeline.run_effects() == [(WEIGH, "done"), (SHIP, "done"), ("emit", "done"), ("emit", "done")]
        assert sorted(InboxEvent.objects.values_list("type", flat=True)) == ["label.printed"] * 2 + ["parcel.packed"]
        assert not connection.in_atomic_block
