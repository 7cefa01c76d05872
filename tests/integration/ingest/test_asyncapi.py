"""The AsyncAPI document: its examples are what its schemas say, and what the consumer reads."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from django.conf import settings
from django.test import Client
from jsonschema import Draft7Validator

from processing.domain.families import kinds
from processing.domain.messages import Arrival, Message, read_message

Schema = dict[str, Any]


@pytest.fixture
def document(client: Client) -> Schema:
    response = client.get("/asyncapi")
    assert response["Content-Type"] == "application/vnd.aai.asyncapi+json;version=3.0.0"
    document: Schema = orjson.loads(response.content)
    return document


def test_it_can_only_be_read(client: Client) -> None:
    assert client.post("/asyncapi").status_code == 405


def test_every_topic_and_every_kind_of_event_is_there(document: Schema) -> None:
    addresses = {channel["address"] for channel in document["channels"].values()}
    own = {kind.topic for kind in kinds() if kind.topic}
    assert addresses == {settings.KAFKA_EVENTS_TOPIC, settings.KAFKA_DLQ_TOPIC, *own}
    events = document["channels"]["events"]["messages"]
    assert {"event", "product", "game", "revenue", "shop.order.placed"} <= events.keys()
    assert "servers" not in document  # anybody may read it


def test_every_message_has_an_example_that_its_schemas_describe(document: Schema) -> None:
    for channel in document["channels"].values():
        for message in channel["messages"].values():
            (example,) = message["examples"]
            assert example.keys() <= {"payload", "headers"}
            for part in example:
                whole = {**message[part], "components": document["components"]}
                Draft7Validator(whole, format_checker=Draft7Validator.FORMAT_CHECKER).validate(example[part])


def test_the_consumer_reads_every_example_as_its_kind(document: Schema) -> None:
    read = []
    for name, channel in document["channels"].items():
        for kind, message in channel["messages"].items() if name != "deadLetters" else ():
            value = orjson.dumps(message["examples"][0]["payload"])
            arrival = read_message(Message(channel["address"], 0, 0, None, value))
            assert isinstance(arrival, Arrival), (kind, arrival)
            assert arrival.event.family == ("" if kind == "event" else kind.partition(".")[0])
            read.append(kind)
    assert len(read) > 5
