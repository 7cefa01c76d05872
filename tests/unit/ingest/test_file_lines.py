"""A line of a file is judged as the door judges it, by the quick way and by the careful one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import orjson
import pytest

from ingest.files.apply import plain
from ingest.files.apply.events import read_carefully, read_line
from ingest.files.recognise import read_members
from ingest.parsing.candidate import Candidate, Context
from ingest.parsing.events import parse_batch
from processing.domain.envelope import Event, Invalid
from tests.paths import DATA
from tests.support.events import read_event

NOW = 1_790_000_000_000
MAX_BYTES = 2_000

GAME = {"eventType": "move", "playerId": "p", "timestamp": 1790000000000, "data": {}}
PRODUCT = orjson.loads((DATA / "product_events_v2.jsonl").read_bytes().splitlines()[0])
PLAIN = {"userId": "u", "type": "page.viewed"}
ADDRESS = {"street": "s", "city": "c", "state": "st", "zipCode": "z", "country": "US"}


def without(members: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in members.items() if key != name}


def variants() -> Iterator[bytes]:
    """Each form with one member at a time left out, or of a value that somebody will send."""
    odd = [
        *(None, True, False, 0, 1, -1, 1.5, 2**53, 2**63, 2**70, 1e300, "", " ", "x", "12.34", "u" * 256, "é\n\t"),
        *("2026-01-31T12:00:00Z", "2026-01-31T12:00:00", "10000-01-01T00:00:00Z", [], {}, [1], {"a": None}),
        *({**ADDRESS, "planet": "Mars"}, ADDRESS, without(ADDRESS, "country"), {"seq": 1}),
    ]
    for form in (GAME, PRODUCT, PLAIN):
        names = [*form, "seq", "fail", "eventId", "timestamp", "what", "gameId", "family", "payload", "shippingAddress"]
        for name in names:
            yield msgspec.json.encode(without(form, name))
            for value in odd:
                yield msgspec.json.encode({**form, name: value})
    yield from TEXTS


TEXTS = [
    b"",
    b"{}",
    b"[]",
    b"null",
    b"nonsense",
    b'{"userId":"u","type":"t","payload":{"a":NaN}}',
    rb'{"userId":"u","type":"t","payload":{"a":"\u0000"}}',
    rb'{"userId":"u","type":"t","payload":{"a":"\ud800"}}',
    rb'{"userId":"u\u0000","type":"t"}',
    b'{"userId":"\xff","type":"t"}',
    b'{"userId":"u","type":"t","userId":"v"}',
    b'{"eventType":"a","playerId":"p","timestamp":1790000000000,"data":{},"eventType":"b","data":{"x":1}}',
    rb'{"eventType":"a","playerId":"p","timestamp":1790000000000,"data":{"\u0000":1}}',
    rb'{"eventType":"a","playerId":"p","timestamp":1790000000000,"data":{"a":"\ud800"}}',
    b'{"eventType":"a","playerId":"p","timestamp":1790000000000,"data":{"a":"\xff"}}',
    b'{"eventType":"a","playerId":"p","timestamp":1790000000000,"data":{"a":' + b"[" * 300 + b"]" * 300 + b"}}",
    b'{"eventType":"a","playerId":"p","timestamp":1790000000000,"data":{"a":12.340000000000000001}}',
    b'{"eventType":"a","playerId":"p","timestamp":1790000000000,"data":{"a":"null"},"gameId":null}',
    rb'{"event\u0054ype":"a","playerId":"p","timestamp":1790000000000,"data":{},"event\u0049d":"escaped"}',
    b'{"eventType":"a","playerId":"p","timestamp":1790000000000,"data":{"text":"' + b"x" * 1_500 + b'"}}',
    b'{"eventType":"a","playerId":"p","timestamp":1790000000000,"data":{"text":"' + b"x" * 3_000 + b'"}}',
    b'{"userId":"u","type":"t","idempotencyKey":"k"}',
    b'{"userId":"u","type":"t","idempotencyKey":""}',
]


def door(text: bytes) -> Event | None:
    """What comes of a line that `send_events` sends; None: it is refused."""
    try:
        members, _ = read_members(text, None)
    except Invalid:
        return None
    members.setdefault("eventId", "made")
    (parsed,) = parse_batch(msgspec.json.encode({"events": [members]}), 10, Context("", NOW, MAX_BYTES))
    return read_event(parsed.value) if isinstance(parsed, Candidate) else None


def read(text: bytes, how: Any) -> Event | None:
    try:
        event: Event = how(text, "made", None, NOW, MAX_BYTES)
    except Invalid as error:
        assert error.message
        return None
    return event


def test_every_line_becomes_what_the_door_makes_of_it() -> None:
    lines = list(variants())
    assert len(lines) > 500
    for text in lines:
        assert read(text, read_line) == read(text, read_carefully) == door(text), text


@pytest.mark.parametrize("name", ["game_events.jsonl", "product_events_v1.jsonl", "product_events_v2.jsonl"])
def test_good_lines_are_read_the_quick_way(name: str) -> None:
    lines = (DATA / name).read_bytes().splitlines()
    quick = [plain.read_plain(text, "made", None, NOW) for text in lines]
    assert quick == [read_carefully(text, "made", None, NOW, 10**6) for text in lines]
