"""Read CloudEvents as the door and the consumer do."""

from __future__ import annotations

from typing import Any

import orjson

from ingest.parsing import cloudevents as door
from ingest.parsing.candidate import Candidate, Context, Parsed
from processing.domain.cloudevents import find_headers
from processing.domain.envelope import Event
from processing.domain.messages import Arrival, Message, Poison, read_message
from tests.support.events import read_event
from tests.support.sdks import ByHttp, ByKafka

CONTEXT = Context(caller="anonymous", now=1_790_000_000_000, max_bytes=100_000)
EVENT = {"specversion": "1.0", "id": "i1", "source": "/s", "type": "t", "subject": "u"}


def by_http(sent: ByHttp) -> Parsed:
    headers = {
        f"HTTP_{name.upper().replace('-', '_')}": value.decode("latin-1") for name, value in sent.headers.items()
    }
    if door.is_binary(headers):
        return door.parse_binary(door.read_attributes(headers), sent.body, None, CONTEXT)
    return door.parse_structured(sent.body, None, CONTEXT)


def by_kafka(sent: ByKafka) -> Arrival | Poison:
    return read_message(Message("events", 0, 0, sent.key, sent.value, None, find_headers(sent.headers), CONTEXT.now))


def accepted(parsed: Parsed) -> Event:
    assert isinstance(parsed, Candidate), parsed
    assert parsed.one_content and parsed.known_before and parsed.digest
    return read_event(parsed.value)


def arrived(outcome: Arrival | Poison) -> Event:
    assert isinstance(outcome, Arrival), outcome
    assert outcome.one_content
    return outcome.event


def seen(event: Event) -> tuple[Any, ...]:
    return event.id, event.user_id, event.type, event.seq, event.timestamp, event.payload_json


def structured(**members: Any) -> bytes:
    return orjson.dumps({name: value for name, value in {**EVENT, **members}.items() if value is not ...})
