"""Kinds that are set aside: their names, and what waits for which."""

from __future__ import annotations

import pytest

from processing.domain.kinds import KindState, SetAside, parts_of, topic_kind, type_kind

STOPPED, PAUSED, DRAINING = KindState.STOPPED, KindState.PAUSED, KindState.DRAINING


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("game", ("game", None, None)),
        (type_kind("game", "a/b:c"), ("game", "a/b:c", None)),
        (type_kind("", "topic:x"), ("", "topic:x", None)),
        (topic_kind("a/b"), ("", None, "a/b")),
    ],
)
def test_a_name_can_be_read_back(kind: str, parts: tuple[str, str | None, str | None]) -> None:
    assert parts_of(kind) == parts


def test_a_new_event_waits_for_the_widest_of_its_kinds_whatever_that_does() -> None:
    assert SetAside({}).find("game", "move", "events") is None
    assert SetAside({"game/move": PAUSED}).find("game", "won", "events") is None
    assert SetAside({"game/move": DRAINING}).find("game", "move", "events") == "game/move"
    assert SetAside({"game/move": PAUSED, "game": DRAINING}).find("game", "move", "events") == "game"
    assert SetAside({"game": PAUSED, "topic:events": PAUSED}).find("game", "move", "events") == "topic:events"
    assert SetAside({"/seen": PAUSED}).find("", "seen", None) == "/seen"


@pytest.mark.parametrize(
    ("states", "waits_for", "drained", "found"),
    [
        ({"game": PAUSED}, None, None, "game"),
        ({"game": DRAINING}, None, None, None),  # a retry runs as ever
        ({"game": DRAINING}, "game", None, "game"),  # not its turn
        ({"game": DRAINING}, "game", "game", None),
        ({}, "game", None, None),  # left over: nothing keeps it
        ({"game": DRAINING, "game/move": PAUSED}, "game", "game", "game/move"),
        ({"game": DRAINING, "game/move": DRAINING}, "game", "game", "game/move"),  # what waits there is older
        ({"game": DRAINING, "game/move": DRAINING}, "game/move", "game/move", None),
        ({"game": STOPPED, "game/move": DRAINING}, "game/move", "game/move", "game"),
    ],
)
def test_what_an_event_of_the_inbox_waits_for(
    states: dict[str, KindState], waits_for: str | None, drained: str | None, found: str | None
) -> None:
    assert SetAside(states).find_for_waiting("game", "move", "events", waits_for, drained) == found
