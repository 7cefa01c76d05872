"""How a batch's events are dealt to handlers: a table, and what must hold for any batch."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from processing.domain.call_order import INJECTED_FAILURE, group_of, plan_calls
from processing.domain.envelope import Event
from processing.domain.outcomes import Attempt
from processing.domain.validate import EVERY_TRY


def run(family: str, user: str = "u", chain: str | None = None, *, fail: bool = False, id: str = "") -> Attempt:
    fails = EVERY_TRY if fail else 0
    return Attempt(Event(id or f"{family}-{user}", user, "t", family, None, fails, 0, b"{}", None), ordering_key=chain)


def dealt(*runs: Attempt, drills: bool = True) -> list[tuple[str, int]]:
    return [(group, len(members)) for group, members in plan_calls(runs, injected_failures=drills)]


@pytest.mark.parametrize(
    ("runs", "calls"),
    [
        ([], []),
        ([run("game"), run("game", "v")], [("game", 2)]),  # one family: one call
        ([run("game", "u"), run("product", "v")], [("game", 1), ("product", 1)]),  # users do not wait for each other
        ([run("game"), run("product"), run("game")], [("game", 1), ("product", 1), ("game", 1)]),  # one user does
        ([run("game", "u"), run("product", "v"), run("game", "w")], [("game", 2), ("product", 1)]),
        ([run("game"), run("", "u"), run("game")], [("game", 2), ("", 1)]),  # no family: nothing to wait for
        (
            [run("game", "u", "u"), run("game", "u", "u", fail=True)],
            [("game", 1), (INJECTED_FAILURE, 1)],
        ),  # a lane waits
        (
            [run("game"), run("game", fail=True), run("game")],
            [("game", 2), (INJECTED_FAILURE, 1)],
        ),  # without a lane nobody does
    ],
)
def test_the_calls_that_a_batch_needs(runs: list[Attempt], calls: list[tuple[str, int]]) -> None:
    assert sorted(dealt(*runs)) == sorted(calls)


def test_without_fault_injection_a_drill_is_an_event_like_any_other() -> None:
    attempt = run("game", fail=True)
    assert group_of(attempt, injected_failures=True) == INJECTED_FAILURE
    assert group_of(attempt, injected_failures=False) == "game"


def test_a_drill_of_six_tries_is_cured_by_the_seventh() -> None:
    event = replace(run("game").event, fails=6)
    assert group_of(Attempt(event, attempts=5), injected_failures=True) == INJECTED_FAILURE
    assert group_of(Attempt(event, attempts=6), injected_failures=True) == "game"


runs_of_any_kind = st.lists(
    st.tuples(st.sampled_from(["game", "product", ""]), st.sampled_from("uvw"), st.booleans(), st.booleans()),
    max_size=40,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no fault
@given(runs_of_any_kind)
def test_every_event_is_dealt_once_and_no_two_of_a_chain_swap(kinds: list[tuple[str, str, bool, bool]]) -> None:
    runs = [
        run(family, user, user if in_lane else None, fail=fail, id=str(place))
        for place, (family, user, in_lane, fail) in enumerate(kinds)
    ]
    calls = plan_calls(runs, injected_failures=True)
    order = [int(each.event.id) for _, members in calls for each in members]
    assert sorted(order) == list(range(len(runs)))
    for group, members in calls:
        assert {group_of(each, injected_failures=True) for each in members} == {group}
    position = {id: place for place, id in enumerate(order)}
    waits = [place for place, (family, _, in_lane, fail) in enumerate(kinds) if family and (in_lane or not fail)]
    for user in "uvw":
        for in_lane in (True, False):
            chain = [position[place] for place in waits if kinds[place][1] == user and kinds[place][2] is in_lane]
            assert chain == sorted(chain)
