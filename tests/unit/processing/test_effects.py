"""What follows an event outside the database: which tasks, under which tokens, and what a handler emits."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import orjson
import pytest

from processing.domain import effects, families
from processing.domain.effects import FOLLOW_UP, after, collecting, effects_after, emit, token_of
from processing.domain.envelope import Event, Invalid
from processing.domain.families import Family, register
from processing.domain.outcomes import BatchResult, HotStateUpdate, Outcome
from processing.domain.statuses import Status


class Shot(msgspec.Struct):
    points: int


class Move(msgspec.Struct):
    """Of a family whose types are free text."""


@pytest.fixture(autouse=True)
def _declared(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(families, "_kinds", {})
    monkeypatch.setattr(families, "_owners", {})
    monkeypatch.setattr(effects, "_after", {})
    register(Family(name="shots", schema=Shot, types=frozenset({"shot"})))
    register(Family(name="moves", schema=Move))
    yield


def tell(event: Event, token: str) -> None: ...


def shot(id: str = "a", user: str = "u") -> Event:
    return Event(id, user, "shot", "shots", None, 0, 0, b'{"points":1}', Shot(1))


class TestAfter:
    def test_the_tasks_of_an_event_are_those_of_its_type_in_their_order(self) -> None:
        after(Shot, ordered=True, lease_s=5)("shop.tasks.ship")
        after(Shot)(tell)
        after(Move)(tell)
        first, second = effects_after(shot())
        assert (first.name, first.token, first.user_id) == ("shop.tasks.ship", token_of("a", first.name), "u")
        assert (first.ordered, first.lease_s, first.value) == (True, 5, None)
        assert (second.name, second.ordered) == (f"{__name__}.tell", False)

    def test_a_family_whose_types_are_free_has_them_after_each(self) -> None:
        after(Move)(tell)
        event = msgspec.structs.replace(shot(), family="moves", type="any")
        assert [each.name for each in effects_after(event)] == [f"{__name__}.tell"]
        assert effects_after(shot()) == []

    @pytest.mark.parametrize("lease_s", [0, 1, 10**10])
    def test_a_lease_is_longer_than_a_claimed_one_may_wait_and_a_day_at_most(self, lease_s: int) -> None:
        with pytest.raises(ValueError, match=rf"^@after: lease_s={lease_s} must be from 2 to 86400 \(a day\)$"):
            after(Shot, lease_s=lease_s)

    def test_a_token_belongs_to_one_event_and_one_task(self) -> None:
        tokens = {token_of(id, name) for id in ("a", "b") for name in ("x.y", "x.z")}
        assert len(tokens) == 4
        assert token_of("a", "x.y") in tokens

    def test_what_nobody_declared_is_followed_by_nothing(self) -> None:
        with pytest.raises(TypeError, match="int is no declared event type"):
            after(int)


class TestEmit:
    def test_ids_are_the_same_each_time_the_handler_runs(self) -> None:
        runs = []
        for _ in range(2):
            with collecting([shot("a"), shot("b")]) as run:
                runs.append([emit(Shot(1), cause=shot(cause)) for cause in ("a", "b", "a")])
                runs[-1].append(emit(Shot(1), cause=shot("a"), name="third"))
        assert runs[0] == runs[1]
        assert len(set(runs[0])) == 4
        assert [each.token for each in run.emitted["a"]] == [runs[0][0], runs[0][2], runs[0][3]]

    def test_what_is_emitted_is_an_envelope_of_its_user(self) -> None:
        with collecting([shot()]) as run:
            id = emit(Shot(7), cause=shot(), user="v", seq=3)
        (effect,) = run.emitted["a"]
        assert (effect.name, effect.event_id, effect.user_id, effect.ordered) == (FOLLOW_UP, "a", "v", True)
        value = orjson.loads(effect.value or b"")
        assert value.pop("timestamp") > 0
        assert value == {"id": id, "userId": "v", "type": "shot", "family": "shots", "payload": {"points": 7, "seq": 3}}

    def test_what_the_door_refuses_is_invalid(self) -> None:
        with collecting([shot()]), pytest.raises(Invalid, match=r"payload\.seq: must be an integer from 1"):
            emit(Shot(1), cause=shot(), seq=0)

    def test_after_the_handler_nothing_can_be_emitted(self) -> None:
        with collecting([shot()]):
            pass
        with pytest.raises(RuntimeError, match="call it in a handler"):
            emit(Shot(1), cause=shot())


def test_a_result_counts_the_effects_of_its_events() -> None:
    after(Shot)(tell)
    with collecting([shot()]) as run:
        emit(Shot(1), cause=shot())
    own = [*run.emitted["a"], *effects_after(shot())]
    outcomes = [Outcome(shot("b"), Status.RETRYING, 1), Outcome(shot(), Status.PROCESSED, 1, effects=own)]
    assert BatchResult(HotStateUpdate(), outcomes).count_effects() == (1, 1)
