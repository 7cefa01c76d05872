"""Setting a lane in which very much waits: in transactions that are short, since batches wait for the lane's lock."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import Settings
from redis import Redis

from processing.models import OperatorAction
from processing.operators import set_lane as setting_lanes
from processing.operators.set_lane import set_lane
from processing.postgres.inbox import change_statuses
from tests.support.astray import CLOCK, front, led_astray, numbered, put, states, work
from tests.support.dead import consume, order
from tests.support.factories import envelope

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("two_tries", "hints_off")]


@pytest.fixture
def chunks_of_two(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many events each transaction changed."""
    sizes: list[int] = []
    monkeypatch.setattr(setting_lanes, "CHUNK", 2)

    def noting(cursor: Any, changes: Any, *rest: Any, **options: Any) -> None:
        sizes.append(len(changes))
        change_statuses(cursor, changes, *rest, **options)

    monkeypatch.setattr(setting_lanes, "change_statuses", noting)
    return sizes


def test_forward_past_many_a_transaction_skips_few(redis: Redis, chunks_of_two: list[int]) -> None:
    consume(*numbered(1, *range(3, 10)))
    assert put(9).skip == 6
    assert chunks_of_two == [2, 2, 2]
    work()
    assert order(redis) == [1, 9]
    assert OperatorAction.objects.filter(user_id="u-1").count() == 1


@pytest.mark.parametrize("replay", [False, True])
def test_back_a_transaction_changes_few(
    redis: Redis, settings: Settings, chunks_of_two: list[int], replay: bool
) -> None:
    led_astray(settings)
    consume(*numbered(6, 7, 8), envelope("rival-6", seq=6))
    assert put(4, replay=replay).changed == 5 + (not replay)
    assert max(chunks_of_two) == 2
    work()
    assert order(redis) == [1, 2, 3, *(range(4, 9) if replay else ()), CLOCK]


def test_broken_off_the_lane_goes_on_as_ever_and_the_same_again_does_the_rest(
    redis: Redis, chunks_of_two: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    consume(*numbered(1, *range(3, 10)))
    with monkeypatch.context() as patch:
        patch.setattr(setting_lanes, "publish", die)
        with pytest.raises(KeyboardInterrupt):
            set_lane("u-1", 9, replay=False, actor="ada")
    assert (front(), states()[8], states()[3]) == (2, "skipped", "held")
    consume(*numbered(2))
    assert order(redis) == [1, 2, 3, 4, 5, 6]
    put(9)
    work()
    assert order(redis) == [1, 2, 3, 4, 5, 6, 9]


def die(*_: object) -> None:
    raise KeyboardInterrupt
