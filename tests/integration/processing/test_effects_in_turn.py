"""Tasks after events, of which several processes claim some and a user's ordered ones wait for each other."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from processing.engine import effects as engine
from processing.models import Effect
from processing.operators import effects as operators
from processing.postgres import effects
from processing.postgres.elapsed import let_pass
from processing.testing import Pipeline
from tests.support.effects import LATER_S, shipped, states
from tests.support.warehouse.events import SHIP, WEIGH, ParcelPacked
from tests.support.warehouse.models import Receipt

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("messages")]


@pytest.fixture
def pipeline(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """What is to be tried again is not due before a test lets time pass, however slow the machine."""
    settings.RETRY_BACKOFF_MS = 15_000
    monkeypatch.setattr(engine, "TURN_S", 60.0)
    return Pipeline()


class TestOrder:
    def test_a_users_next_one_waits_until_the_one_before_it_has_ended(self, pipeline: Pipeline) -> None:
        pipeline.apply(ParcelPacked(number=1, fails=1), user="u", seq=1)
        pipeline.apply(ParcelPacked(number=2), user="u", seq=2)
        pipeline.apply(ParcelPacked(number=1), user="v", seq=1)
        engine.run_effects()
        assert shipped() == [("v", 1)]
        assert Receipt.objects.filter(task="weigh", user_id="u", number=2).exists()  # which is in no order
        let_pass(LATER_S)
        engine.run_effects()
        assert shipped() == [("v", 1), ("u", 1), ("u", 2)]

    def test_one_that_has_failed_for_good_has_ended(self, pipeline: Pipeline, settings: Settings) -> None:
        settings.RETRY_MAX_RETRIES = 0
        pipeline.apply(ParcelPacked(number=1, fails=9), user="u", seq=1)
        pipeline.apply(ParcelPacked(number=2), user="u", seq=2)
        engine.run_effects()
        assert shipped() == [("u", 2)]

    def test_the_order_is_that_of_the_lane(self, pipeline: Pipeline) -> None:
        for seq in (4, 3, 1, 2):
            pipeline.apply(ParcelPacked(number=seq), user="u", seq=seq)
        engine.run_effects()
        assert shipped() == [("u", seq) for seq in (1, 2, 3, 4)]

    def test_a_crowd_that_waits_for_an_earlier_one_is_soon_passed(
        self, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = ParcelPacked(number=1, fails=1)
        pipeline.apply_batch([pipeline.event(first, user="u", seq=1)])
        engine.run_effects()
        pipeline.apply_batch([pipeline.event(ParcelPacked(number=n), user="u", seq=n) for n in range(2, 200)])
        pipeline.apply(ParcelPacked(number=1), user="v", seq=1)
        Effect.objects.filter(name=WEIGH).delete()
        looks: list[int] = []
        claim = effects.claim

        def look(limit: int) -> list[effects.Claimed] | None:
            looks.append(limit)
            return claim(limit)

        monkeypatch.setattr(effects, "claim", look)
        engine.run_effects()
        assert shipped() == [("v", 1)]
        assert len(looks) < 10


class TestClaims:
    def test_what_is_claimed_is_nobody_elses_until_its_lease_is_over(self, pipeline: Pipeline) -> None:
        pipeline.apply(ParcelPacked(number=1))
        first = effects.claim(10)
        assert first is not None
        assert effects.claim(10) is None
        let_pass(LATER_S)
        second = effects.claim(10)
        assert second is not None
        assert [each.id for each in second] == [each.id for each in first]
        effects.end_failed(first[0], "too late")
        effects.put_off(first, 0, error="too late")
        assert set(Effect.objects.values_list("status", "error")) == {("waiting", "")}
        effects.end_done([first[0].id])  # it is done, whoever did it
        assert [status for _, status, _ in states()] == ["done", "waiting"]

    def test_a_slow_try_that_ends_well_counts_though_the_one_beside_it_was_the_last_and_failed(
        self, pipeline: Pipeline
    ) -> None:
        for id in ("slow", "discarded"):
            pipeline.apply(ParcelPacked(number=1), id=id)
        Effect.objects.filter(name=SHIP).delete()
        slow = effects.claim(10)
        let_pass(LATER_S)
        beside = effects.claim(10)
        assert slow is not None and beside is not None
        for each in beside:
            effects.end_failed(each, "no answer")
        operators.discard(ids=[str(beside[1].id)], actor="ada")
        effects.end_done([each.id for each in slow])
        assert states() == [("slow", "done", 2), ("discarded", "discarded", 1)]

    def test_the_next_of_a_user_is_not_claimed_while_the_one_before_it_is(self, pipeline: Pipeline) -> None:
        for seq in (1, 2):
            pipeline.apply(ParcelPacked(number=seq), user="u", seq=seq)
        Effect.objects.filter(name=WEIGH).delete()
        claimed = effects.claim(10)
        assert claimed is not None
        assert [each.event.seq for each in claimed if each.event] == [1]
        assert effects.claim(10) is None
        effects.end_done([claimed[0].id])
        claimed = effects.claim(10)
        assert claimed is not None
        assert [each.event.seq for each in claimed if each.event] == [2]

    def test_a_replayed_one_that_ends_leaves_a_later_one_that_runs_to_whoever_runs_it(
        self, pipeline: Pipeline, settings: Settings
    ) -> None:
        settings.RETRY_MAX_RETRIES = 0
        pipeline.apply(ParcelPacked(number=1, fails=1), user="u", seq=1)
        Effect.objects.filter(name=WEIGH).delete()
        engine.run_effects()
        pipeline.apply(ParcelPacked(number=2), user="u", seq=2)
        Effect.objects.filter(name=WEIGH).delete()
        running = effects.claim(10)
        assert running is not None
        assert [each.event.seq for each in running if each.event] == [2]
        failed = Effect.objects.get(status="failed")
        operators.replay(ids=[str(failed.pk)], actor="ada")
        assert engine.run_effects() == 1
        assert effects.claim(10) is None
        assert shipped() == [("u", 1)]
