"""A family's own topic: its messages are bodies in the family's form, without an envelope."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from ingest.events import GAME
from ingest.parsing.forms import EventForm
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
