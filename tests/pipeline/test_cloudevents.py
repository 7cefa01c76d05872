"""Events that Python's CloudEvents SDK makes and writes, by HTTP and Kafka, until they are in the inbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest
from cloudevents.core.bindings import http, kafka
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1 import conversion
from cloudevents.v1 import kafka as kafka_v1
from cloudevents.v1.http import CloudEvent as CloudEventV1

from eventsite.local.services.process import port_is_open
from tests.pipeline.log import Record
from tests.pipeline.stack import Stack

pytestmark = pytest.mark.pipeline

ATTRIBUTES = {"source": "/shop/100%", "type": "shop.bought", "partitionkey": "zoe 100%"}
DATA = {"price": 12.5, "who": "Zoë"}
JSON = {"datacontenttype": "application/json"}

Sent = tuple[dict[bytes, bytes], bytes]


def made(id: str, data: Any = DATA, **more: Any) -> CloudEvent:
    return CloudEvent({**ATTRIBUTES, "id": id, "flag": True, **more}, data)


def made_v1(id: str, data: Any = DATA, **more: str) -> CloudEventV1:
    return CloudEventV1({**ATTRIBUTES, "id": id, **more}, data)


def by_http() -> Iterator[Sent]:
    yield _binary(made("http binary", **JSON))
    yield _binary(made("http binary, no type"))
    yield _binary(made("http binary, no data", None))
    yield _binary(made("http binary, encoded", partitionkey="Zoë"))
    for event in (made("http structured"), made("http structured, bytes", orjson.dumps(DATA))):
        message = http.to_structured_event(event)
        yield _sent(message.headers, message.body)
    for event_v1 in (made_v1("v1 http binary", **JSON), made_v1("v1 http binary, no type")):
        yield _sent(*conversion.to_binary(event_v1))
    for event_v1 in (made_v1("v1 http structured", **JSON), made_v1("v1 http structured, bytes", orjson.dumps(DATA))):
        yield _sent(*conversion.to_structured(event_v1))


def by_kafka() -> Iterator[Record]:
    yield _record(kafka.to_binary_event(made("kafka binary", **JSON)))
    yield _record(kafka.to_binary_event(made("kafka binary, no data", None)))
    yield _record(kafka.to_structured_event(made("kafka structured")))
    yield _record(kafka_v1.to_binary(made_v1("v1 kafka binary", **JSON)))
    yield _record(kafka_v1.to_structured(made_v1("v1 kafka structured", **JSON)))
    yield _record(kafka_v1.to_structured(made_v1("v1 kafka structured, bytes", orjson.dumps(DATA))))
    without_value = _record(kafka.to_binary_event(made("kafka binary, no value", None)))
    yield Record(without_value.key, None, without_value.headers)


def _sent(headers: dict[str, str], body: bytes) -> Sent:
    """httpx takes bytes for what is not ASCII."""
    return {name.encode(): value.encode() for name, value in headers.items()}, body


def _binary(event: CloudEvent) -> Sent:
    message = http.to_binary_event(event)
    return _sent(message.headers, message.body)


def _record(message: Any) -> Record:
    return Record(message.key.encode(), message.value, tuple(message.headers.items()))


@pytest.fixture
def web(stack: Stack) -> str:
    """The address of a web server, with a consumer beside it."""
    consumer = stack.start("consumer")
    stack.start("web")
    port = int(stack.environment["WEB_PORT"])
    stack.wait_until(lambda: port_is_open(port), "the web server listens")
    stack.wait_until(lambda: "got partitions" in consumer.output(), "the consumer has partitions")
    return f"http://127.0.0.1:{port}"


def test_what_the_sdk_writes_arrives(stack: Stack, web: str) -> None:
    records = [*by_kafka(), _record(kafka.to_binary_event(made("kafka binary", {"other": "data"}, **JSON)))]
    stack.produce(records)
    with httpx.Client(base_url=web, timeout=30) as client:
        sent = [*by_http()]
        answers = [client.post("/events", headers=headers, content=body) for headers, body in sent]
        again = [client.post("/events", headers=headers, content=body) for headers, body in sent]
        headers, body = _binary(made("http binary", {"other": "data"}, **JSON))
        conflict = client.post("/events", headers=headers, content=body)
        headers, body = _sent(*conversion.to_binary(made_v1("v1 http binary, not encoded", partitionkey="Zoë")))
        not_encoded = client.post("/events", headers=headers, content=body)
        many = b"[%b,%b]" % tuple(http.to_structured_event(made(id)).body for id in ("batch 1", "batch 2"))
        batch = client.post("/events", content=many, headers={"Content-Type": "application/cloudevents-batch+json"})
    assert [answer.status_code for answer in answers] == [202] * len(sent), [answer.text for answer in answers]
    assert {answer.json()["status"] for answer in again} == {"duplicate"}
    assert (conflict.status_code, conflict.json()["eventId"]) == (409, "/shop/100% http binary")
    assert not_encoded.json()["error"].startswith("ce-partitionkey: is empty, or not ASCII")
    assert [each["status"] for each in batch.json()["results"]] == ["accepted", "accepted"]
    stack.topic.learn_ends()
    stack.wait_until_final(len(sent) + len(records) + 2)
    rows = stack.sql("SELECT id, user_id, type, payload FROM processing_inboxevent WHERE status = 'processed'")
    assert len(rows) == len(sent) + len(records) + 2 - 1
    for id, user, event_type, payload in rows:
        assert id.startswith("/shop/100% ")
        assert (user, event_type) == ("Zoë" if id.endswith("encoded") else "zoe 100%", "shop.bought")
        assert orjson.loads(payload) == ({} if id.endswith(("no data", "no value")) else DATA), id
    ((error, offset),) = stack.sql("SELECT error, raw FROM processing_inboxevent WHERE status = 'failed'")
    assert error.startswith("id: '/shop/100% kafka binary' stands for another event already") and offset
