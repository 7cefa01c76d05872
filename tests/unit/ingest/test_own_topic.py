"""A family's own topic: its messages are bodies in the family's form, without an envelope."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from ingest.events import GAME
from ingest.files.apply.events import read_carefully, read_line
from ingest.parsing import events
from ingest.parsing.candidate import Candidate, Context, Refused
from ingest.parsing.events import parse_one
from ingest.parsing.forms import EventForm, parse_form
from processing.domain import families as registry
from processing.domain.families import register
from processing.domain.messages import Arrival, Message, Poison, read_message
from processing.kafka.clients import consumed_topics

GAMES = replace(GAME, form=EventForm(user="playerId", event_id="required"), topic="games")


@pytest.fixture(autouse=True)
def _declared(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "_kinds", {})
    monkeypatch.setattr(registry, "_topics", {})
    register(GAMES)
    yield


def read(value: bytes, topic: str = "games") -> Arrival | Poison:
    return read_message(Message(topic, 0, 0, None, value))


def test_it_is_consumed_beside_the_events() -> None:
    assert consumed_topics() == ["events", "games"]


def test_a_message_becomes_the_event_that_the_endpoint_would_make() -> None:
    arrival = read(
        b'{"eventId": "e", "eventType": "move", "playerId": "p", "timestamp": "1970-01-01T00:00:01Z", "data": {"x": 1},'
        b' "gameId": null, "mood": "calm"}'
    )
    assert isinstance(arrival, Arrival)
    event = arrival.event
    assert (event.id, event.type, event.user_id, event.timestamp, event.family) == ("e", "move", "p", 1_000, "game")
    assert event.payload_json == b'{"data":{"x":1},"mood":"calm"}'  # an unknown member passes, and is kept


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b'{"eventType": "move", "playerId": "p", "timestamp": 1e12, "data": {}}', "eventId: is missing"),
        (b'{"eventId": "e", "eventType": "move", "playerId": "p", "data": {}}', "timestamp: is missing"),
        (
            b'{"eventId": "e", "eventType": "move", "playerId": " ", "timestamp": 1e12, "data": {}}',
            "playerId: is blank",
        ),
        (b'{"eventId": "e", "eventType": "move", "playerId": "p", "timestamp": 1e12}', "data: is missing"),
        (
            b'{"eventId": "e", "eventType": "move", "playerId": "p", "timestamp": 1e12, "data": 1}',
            "data: Expected `object`, got `int`",
        ),
        (
            b"[]",
            "the message Expected `object`, got `array`; an object without members is {}, which PHP writes for "
            "(object)[]",
        ),
    ],
)
def test_what_breaks_the_form_is_poison_named_in_its_own_words(value: bytes, reason: str) -> None:
    poison = read(value)
    assert isinstance(poison, Poison)
    assert poison.error == reason


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (b'{"payloadInfo": "\\u0000"}', "payloadInfo"),
        (b'{"payload": {"x": "\\u0000"}}', "payload.x"),
        (b'{"type": "\\u0000"}', "type"),
        (b'{"userId": "\\u0000"}', "userId"),
        (b'{"playerId": "\\u0000"}', "playerId"),
        (b'["\\u0000"]', "[0]"),
    ],
)
def test_a_member_with_a_nul_is_named_as_the_sender_wrote_it(value: bytes, path: str) -> None:
    poison = read(value)
    assert isinstance(poison, Poison)
    assert poison.error == f"{path}: has a NUL character"


def test_an_envelope_there_is_no_body_and_a_body_elsewhere_no_envelope() -> None:
    assert isinstance(read(b'{"id": "e", "userId": "p", "type": "t", "payload": {}, "timestamp": 1e12}'), Poison)
    body = b'{"eventId": "e", "eventType": "move", "playerId": "p", "timestamp": 1e12, "data": {}}'
    assert isinstance(read(body, topic="events"), Poison)


@pytest.mark.parametrize(("unit", "stamp"), [("s", "1759937422.4569"), ("us", "1759937422456900")])
def test_a_bare_number_has_the_unit_of_the_declaration(unit: str, stamp: str) -> None:
    kind = replace(GAMES, timestamp_unit=unit)
    registry.replace(GAMES, kind)
    text = b'{"eventId":"e","eventType":"move","playerId":"p","timestamp":%s,"data":{}}' % stamp.encode()
    arrival = read(text)
    assert isinstance(arrival, Arrival) and arrival.event.timestamp == 1_759_937_422_456
    accepted = parse_form(kind, text, None, Context("", 0, 10_000))
    assert isinstance(accepted, Candidate) and accepted.timestamp == 1_759_937_422_456
    for how in (read_line, read_carefully):
        assert how(text, None, kind, 0, 10_000).timestamp == 1_759_937_422_456


def test_on_events_a_bare_number_is_ms_whatever_the_site_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "SITE_UNIT", "s")
    event = b'{"id":"e","userId":"u","type":"t","timestamp":%s}'
    arrival = read(event % b"1759937422456", topic="events")
    assert isinstance(arrival, Arrival) and arrival.event.timestamp == 1_759_937_422_456
    poison = read(event % b"1759937422", topic="events")
    assert isinstance(poison, Poison)
    assert poison.error == "timestamp: looks like seconds: send milliseconds or RFC 3339"


def test_a_plain_event_at_the_door_has_the_unit_of_the_site(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "SITE_UNIT", "s")
    parsed = parse_one(b'{"userId":"u","type":"t","timestamp":1759937422.4569}', None, Context("", 0, 10_000))
    assert isinstance(parsed, Candidate) and parsed.timestamp == 1_759_937_422_456
    ms = parse_one(b'{"userId":"u","type":"t","timestamp":1759937422456}', None, Context("", 0, 10_000))
    assert isinstance(ms, Refused)
    assert str(ms.error) == "timestamp: looks like milliseconds: send seconds or RFC 3339"


def test_a_unit_that_there_is_not_ends_the_declaration() -> None:
    with pytest.raises(ValueError, match="timestamp_unit must be one of s, ms, us, ns, not 'hours'"):
        replace(GAMES, timestamp_unit="hours")
