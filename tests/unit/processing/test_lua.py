"""Each script of the hot state and its one caller agree on the arguments."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import asdict
from pytest_django import Settings

from processing.domain.envelope import Event
from processing.domain.outcomes import HotStateUpdate, OrderChange
from processing.hot_state import write as hot_state
from processing.hot_state.write import Refreshed
from tests.unit import lua

PACKAGE = Path(hot_state.__file__).parent.parent
SCRIPTS = sorted(PACKAGE.rglob("*.lua"))

EVENT = Event("id", "user_id", "type", "family", 7, False, 0, b"{}", None)
ARRIVED = {"id": "id", "user_id": "user_id", "type": "type", "seq": 7}
REFRESHED = Refreshed("r-id", 2, "failed", 3, 4, "r-user", "r-type", 5, "error", "open")
UPDATE = HotStateUpdate(datetime.fromtimestamp(1.234, UTC))
ORDER = OrderChange("o-user", 8, 9, [11, 12])

CALLS: dict[str, tuple[Callable[[], object], dict[str, Any]]] = {
    "mark_in_flight": (
        lambda: hot_state.mark_in_flight(["m"]),
        {"head": {"ttl_s": hot_state.INFLIGHT_TTL_S}, "event": {"id": "m"}},
    ),
    "put_order_lists": (
        lambda: hot_state._put_order_lists([("user", 6, [1, 2])]),
        {"head": {"ttl_s": 60}, "list": {"user_id": "user", "version": 6, "count": 2}, "seqs": [1, 2]},
    ),
    "put_dead_letters": (
        lambda: hot_state._put_dead_letters("stage", 1, ["before", "a", "b"]),
        {
            "head": {
                "ttl_s": 60,
                "stage": "stage",
                "stage_ttl_s": hot_state.STAGE_TTL_S,
                "staged": 1,
                "is_last": 1,
                "count": 2,
            },
            "ids": ["a", "b"],
        },
    ),
    "write": (
        lambda: hot_state._write(UPDATE, [EVENT], [REFRESHED], [ORDER], needs_list=True),
        {
            "head": {
                "ttl_s": 60,
                "inflight_ttl_s": hot_state.INFLIGHT_TTL_S,
                "order_max": 50,
                "arrived_at": 1234,
                "needs_list": 1,
            },
            "count": {},
            "arrived": ARRIVED,
            "refreshed": asdict(REFRESHED),
            "order": {"user_id": "o-user", "before": 8, "after": 9, "count": 2},
            "seqs": [11, 12],
        },
    ),
}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_has_one_caller_and_it_has_the_scripts_name(script: Path) -> None:
    (caller,) = lua.callers(PACKAGE, script)
    assert caller.lstrip("_") == script.stem


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_takes_its_arguments_as_its_caller_gives_them(
    script: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.HOT_STATE_TTL_S, settings.ORDER_LIST_MAX = 60, 50
    given: list[tuple[str, list[Any]]] = []

    def run(name: str, arguments: list[Any]) -> list[Any]:
        given.append((name, arguments))
        return []

    monkeypatch.setattr(hot_state, "_run", run)
    call, records = CALLS[script.stem]
    call()
    assert given == [(script.stem, lua.arguments(script, records))]


def test_each_way_to_give_arguments_belongs_to_a_script() -> None:
    assert set(CALLS) == {script.stem for script in SCRIPTS}
