"""Each script of the door's memory and its one caller agree on the arguments."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pytest_django import Settings

from ingest.parsing.candidate import Candidate, FieldError, Refused
from ingest.publishing import memory, reservations
from ingest.publishing.submission import KeyLimit, Submission
from processing.domain.log_positions import Place
from tests.unit import lua

PACKAGE = Path(reservations.__file__).parent.parent
SCRIPTS = sorted(PACKAGE.rglob("*.lua"))

EVENT = Candidate("id", "user_id", "type", 5, b"value", known_before=True, key="key", digest="digest")
SUBMISSION = Submission(
    "token",
    "request",
    [EVENT],
    "",
    0.0,
    "address",
    counts=True,
    asked_user="asked_user",
    key_limit=KeyLimit("rate:key:7", 300),
)
PLACE = Place("topic", "topic_id", 0, 1, 2)
MADE = Candidate("made-00001", "user_id", "type", 5, b"value")
RECORD = b'{"topic":"","topic_id":"","events":{"001":["user_id","type",5,-1,-1,0]}}'
MEMORY = msgspec.json.encode(memory.Accepted("user_id", "type", 5))

CALLS: dict[str, tuple[Callable[[], object], dict[str, Any]]] = {
    "reserve": (
        lambda: reservations.reserve([SUBMISSION]),
        {
            "head": {
                "user_limit": 100,
                "address_limit": 200,
                "window_us": reservations.WINDOW_US,
                "reservation_ms": reservations.RESERVATION_MS,
                "ttl_s": 60,
            },
            "request": {
                "token": "token",
                "request": "request",
                "address": "address",
                "counts": 1,
                "asked_user": "asked_user",
                "window": "rate:key:7",
                "window_limit": 300,
                "count": 1,
            },
            "event": {"may_be_known": 1, "id": "id", "user_id": "user_id"},
            "claim": {"key": "key", "digest": "digest"},
        },
    ),
    "confirm": (
        lambda: reservations.confirm([(SUBMISSION, EVENT, True), (SUBMISSION, MADE, True)]),
        {
            "head": {"ttl_s": 60, "records": 1},
            "record": {"key": "accepted:\0made-00", "memory": RECORD},
            "event": {
                "acknowledged": 1,
                "token": "token",
                "may_be_known": 1,
                "id": "id",
                "user_id": "user_id",
                "window": "rate:key:7",
                "key": "key",
                "digest": "digest",
                "memory": MEMORY,
            },
        },
    ),
    "renew": (
        lambda: reservations.renew([(SUBMISSION, EVENT)]),
        {
            "head": {"reservation_ms": reservations.RESERVATION_MS},
            "event": {"token": "token", "id": "id", "key": "key"},
        },
    ),
    "forget": (
        lambda: reservations.forget([("id", PLACE)], []),
        {"key": {"key": "accepted:id", "text": msgspec.json.encode(PLACE), "instead": ""}},
    ),
    "refuse": (
        lambda: reservations.refuse([Refused(FieldError("path", "error"), "id", "user_id", "type")]),
        {
            "head": {"ttl_s": 60},
            "event": {"id": "id", "made_id": "made", "user_id": "user_id", "type": "type", "error": "path: error"},
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
    settings.RATE_LIMIT_PER_USER, settings.RATE_LIMIT_PER_IP, settings.HOT_STATE_TTL_S = 100, 200, 60
    given: list[tuple[str, list[Any]]] = []
    answers = {"reserve": [0, -1, 0, 0]}
    monkeypatch.setattr(reservations, "new_event_id", lambda: "made")

    def run(name: str, arguments: list[Any]) -> list[Any]:
        given.append((name, arguments))
        return answers.get(name, [])

    monkeypatch.setattr(reservations, "_run", run)
    call, records = CALLS[script.stem]
    call()
    assert given == [(script.stem, lua.arguments(script, records))]


def test_each_way_to_give_arguments_belongs_to_a_script() -> None:
    assert set(CALLS) == {script.stem for script in SCRIPTS}
