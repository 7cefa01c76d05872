"""`processing.testing`, on the shop's handlers: as a team tests its own, in a transaction that is rolled back."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection
from django.test import TestCase

from ingest.families.game_events.handler import GamePayload
from processing.domain.envelope import Invalid
from processing.domain.statuses import Status
from processing.models import Lane
from processing.testing import Outcome, Pipeline, PipelineMixin
from tests.support.shop.events import OrderCancelled, OrderPlaced
from tests.support.shop.models import Order

pytest_plugins = ["processing.testing.plugin"]

LATER_S = 3_600


def orders() -> list[str]:
    return [order.order_id for order in Order.objects.order_by("id")]


class TestOneEvent:
    def test_it_leaves_what_its_handler_writes(self, pipeline: Pipeline) -> None:
        outcome = pipeline.apply(OrderPlaced(orderId="A 7", total=Decimal("19.90")), user="c-1", seq=1)
        assert outcome == Outcome("event-1", Status.PROCESSED, 1, None)
        order = Order.objects.get()
        assert (order.event_id, order.customer_id, order.total) == ("event-1", "c-1", Decimal("19.90"))

    def test_what_the_door_refuses_is_invalid(self, pipeline: Pipeline) -> None:
        with pytest.raises(Invalid, match=r"^payload.total: is missing$"):
            pipeline.apply({"orderId": "A 7"}, type="order.placed")
        with pytest.raises(Invalid, match=r"^payload.color: is not a known member$"):
            pipeline.apply({"orderId": "A 7", "total": 1, "color": "red"}, type="order.placed")

    def test_what_nobody_declared_says_what_to_do(self, pipeline: Pipeline) -> None:
        with pytest.raises(TypeError, match="Decimal is no declared event type: put @event_type"):
            pipeline.apply(Decimal(1))
        with pytest.raises(TypeError, match="events of 'game' are of several types: name the type"):
            pipeline.apply(GamePayload(data={}))

    def test_the_same_id_again_changes_nothing(self, pipeline: Pipeline) -> None:
        for _ in range(2):
            outcome = pipeline.apply(OrderPlaced(orderId="A 7", total=1), id="same")
        assert (outcome.status, outcome.attempts, orders()) == (Status.PROCESSED, 1, ["A 7"])


class TestOrder:
    def test_one_that_comes_early_is_held_until_the_one_before_it_is_there(self, pipeline: Pipeline) -> None:
        assert pipeline.apply(OrderPlaced(orderId="second", total=1), seq=2).status is Status.HELD
        pipeline.apply(OrderPlaced(orderId="first", total=1), seq=1)
        assert pipeline.outcome("event-1").status is Status.PROCESSED
        assert orders() == ["first", "second"]

    def test_a_gap_is_passed_in_time(self, pipeline: Pipeline) -> None:
        pipeline.apply(OrderPlaced(orderId="third", total=1), seq=3)
        pipeline.advance(0.1)
        assert orders() == []
        pipeline.advance(LATER_S)
        assert orders() == ["third"]
        assert pipeline.apply(OrderPlaced(orderId="late", total=1), seq=1).status is Status.SKIPPED

    def test_a_batch_goes_in_as_one(self, pipeline: Pipeline) -> None:
        outcomes = pipeline.apply_batch(
            [
                pipeline.event(OrderPlaced(orderId="A 7", total=1), user="c", seq=1),
                pipeline.event(OrderCancelled(orderId="A 7", customerId="c"), user="c", seq=2),
            ]
        )
        assert [outcome.status for outcome in outcomes] == [Status.PROCESSED] * 2
        assert Order.objects.get().cancelled


class TestFailure:
    def test_a_failure_undoes_what_its_handler_did_and_is_tried_again(self, pipeline: Pipeline) -> None:
        pipeline.fail_once(OrderPlaced, KeyError("no stock"))
        batch = [pipeline.event(OrderPlaced(orderId=name, total=1), user=name) for name in ("A 7", "A 8", "A 9")]
        first, *others = pipeline.apply_batch(batch)
        assert (first.status, first.attempts, first.error) == (Status.RETRYING, 1, "KeyError: 'no stock'")
        assert [other.status for other in others] == [Status.PROCESSED] * 2
        assert orders() == ["A 8", "A 9"]
        pipeline.advance(LATER_S)
        assert pipeline.outcome(first.id) == Outcome(first.id, Status.PROCESSED, 2, None)

    def test_a_retry_holds_up_its_lane(self, pipeline: Pipeline) -> None:
        pipeline.fail_once(OrderPlaced)
        pipeline.apply(OrderPlaced(orderId="first", total=1), seq=1)
        assert pipeline.apply(OrderPlaced(orderId="second", total=1), seq=2).status is Status.HELD
        pipeline.advance(LATER_S)
        assert orders() == ["first", "second"]
        assert Lane.objects.get().next_seq == 3

    def test_a_dead_letter_is_replayed(self, pipeline: Pipeline, settings: pytest.FixtureRequest) -> None:
        settings.RETRY_MAX_RETRIES = 0  # type: ignore[attr-defined]
        pipeline.fail_once(OrderPlaced)
        dead = pipeline.apply(OrderPlaced(orderId="A 7", total=1))
        assert (dead.status, orders()) == (Status.FAILED, [])
        assert pipeline.replay(dead.id) == [Outcome(dead.id, Status.PROCESSED, 2, None)]
        assert orders() == ["A 7"]
        with pytest.raises(ValueError, match=r"event-1 is no dead letter: it is processed"):
            pipeline.replay(dead.id)


class TestInATestCase(PipelineMixin, TestCase):
    """Each test's transaction is rolled back, and so is what the pipeline did in it."""

    def test_it_works(self) -> None:
        self.assertEqual(orders(), [])
        self.pipeline.apply(OrderPlaced(orderId="A 7", total=1))
        self.assertEqual(orders(), ["A 7"])
        self.assertTrue(connection.in_atomic_block)

    def test_it_works_again(self) -> None:
        self.test_it_works()
