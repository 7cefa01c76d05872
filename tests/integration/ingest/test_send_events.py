"""`manage.py send_events` against a running server."""

from __future__ import annotations

import io
from collections import defaultdict
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.core.management import CommandError, call_command

from ingest.publishing import reservations
from processing.domain.decode import decode_envelope
from tests.integration.ingest.conftest import read_topic
from tests.paths import MOVES

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("door")]


def send(live_server: Any, path: Path, **options: Any) -> str:
    out = io.StringIO()
    call_command("send_events", str(path), url=live_server.url, stdout=out, **options)
    return out.getvalue().strip()


def file_of(tmp_path: Path, *lines: Any) -> Path:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else orjson.dumps(line) for line in lines))
    return path


def events_on(topic: str) -> dict[str, list[Any]]:
    """The payloads of each user, in the topic's order."""
    found: dict[str, list[Any]] = defaultdict(list)
    for message in read_topic(topic):
        envelope = decode_envelope(message.value() or b"")
        found[envelope.userId].append(orjson.loads(bytes(envelope.payload)))
    return found


def test_a_file_sent_twice_counts_once_and_keeps_each_users_order(live_server: Any, door: str, settings: Any) -> None:
    settings.RATE_LIMIT_PER_USER = 0
    assert send(live_server, MOVES) == "519 accepted, 0 already known, 0 refused"
    assert send(live_server, MOVES) == "0 accepted, 519 already known, 0 refused"
    expected: dict[str, list[int]] = defaultdict(list)
    for line in MOVES.read_bytes().splitlines():
        expected[orjson.loads(line)["playerId"]].append(orjson.loads(line)["seq"])
    assert {user: [each["seq"] for each in sent] for user, sent in events_on(door).items()} == expected


def test_lines_over_the_rate_limit_wait_and_keep_their_order(
    live_server: Any, door: str, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reservations, "WINDOW_US", 500_000)
    settings.RATE_LIMIT_PER_USER = 3
    path = file_of(tmp_path, *({"userId": "u", "type": "t", "payload": {"n": number}} for number in range(8)))
    assert send(live_server, path) == "8 accepted, 0 already known, 0 refused"
    assert [each["n"] for each in events_on(door)["u"]] == list(range(8))


def test_half_a_file_and_then_the_whole(live_server: Any, door: str, settings: Any, tmp_path: Path) -> None:
    line = {"userId": "u", "type": "t"}
    assert send(live_server, file_of(tmp_path, line, line)) == "2 accepted, 0 already known, 0 refused"
    assert send(live_server, file_of(tmp_path, *[line] * 4)) == "2 accepted, 2 already known, 0 refused"
    assert send(live_server, file_of(tmp_path, line), source="another") == "1 accepted, 0 already known, 0 refused"


def test_lines_that_cannot_be_used_are_told_and_the_others_go_on(
    live_server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = {"userId": "u", "type": "t"}
    no_user = {**good, "userId": None}
    keyed = {**good, "idempotencyKey": "k"}
    path = file_of(tmp_path, good, b"nonsense", {**good, "type": ""}, good, {"what": 1}, no_user, keyed, good)
    with pytest.raises(CommandError, match="could not use 5 of the lines"):
        send(live_server, path)
    told = sorted(line for line in capsys.readouterr().err.splitlines() if line.startswith("line "))
    assert [line.split(":")[0] for line in told] == ["line 2", "line 3", "line 5", "line 6", "line 7"]
    assert told[1].startswith("line 3: type: ")
    assert told[3].startswith("line 6: userId: ")
    assert told[4].startswith("line 7: idempotencyKey: ")


def test_a_line_in_a_familys_form_is_told_in_its_own_words(
    live_server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    revenue = {"userId": "u", "name": "add_revenue", "value": 1}
    move = {"playerId": "p", "eventType": "game.move", "timestamp": 1_790_000_000_000, "data": {}}
    path = file_of(
        tmp_path,
        {**revenue, "value": -1},
        {**revenue, "name": "multiply"},
        {**revenue, "a: b": 1},
        {**move, "playerId": " "},
        {"userId": "u", "type": "add_revenue", "payload": {"value": -1}},
    )
    with pytest.raises(CommandError, match="could not use 5 of the lines"):
        send(live_server, path)
    told = sorted(line for line in capsys.readouterr().err.splitlines() if line.startswith("line "))
    assert [line.removeprefix(f"line {number}: ") for number, line in enumerate(told, 1)] == [
        "value: must be from 0 to below 10^13",
        "name: must be one of add_revenue, subtract_revenue",
        "a: b: is not a known member",
        "playerId: is blank",
        "payload.value: must be from 0 to below 10^13",
    ]


def test_a_key_that_is_needed_is_asked_for(live_server: Any, settings: Any, tmp_path: Path) -> None:
    settings.INGEST_REQUIRE_API_KEY = True
    path = file_of(tmp_path, {"userId": "u", "type": "t"})
    with pytest.raises(CommandError, match="401"):
        send(live_server, path)
    call_command("create_api_key", "sender", secret="a good secret", stdout=io.StringIO())
    assert send(live_server, path, api_key="a good secret").startswith("1 accepted")


@pytest.mark.parametrize("url", ["nonsense", "ftp://x", "http://a b/", "http://x/\N{SNOWMAN}", "http://x/\n"])
def test_an_address_that_is_none_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(CommandError, match="no http or https URL"):
        call_command("send_events", str(file_of(tmp_path, {})), url=url)


@pytest.mark.parametrize("key", ["\N{SNOWMAN}", "two\nlines"])
def test_a_key_that_no_header_can_carry_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(CommandError, match="no header can carry"):
        call_command("send_events", str(file_of(tmp_path, {})), api_key=key)
