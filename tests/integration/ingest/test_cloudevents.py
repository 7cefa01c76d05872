"""CloudEvents at the door: which answers they get, and what of them is on Kafka."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from django.test import Client
from redis import Redis

from processing.consumer.batch import Batch, read_messages
from processing.consumer.partitions import Partitions
from processing.domain.decode import decode_envelope
from processing.domain.messages import Arrival, Message, read_message
from processing.engine.after_commit import after_commit
from processing.engine.process_batch import process_batch
from tests.integration.ingest.conftest import read_topic
from tests.integration.ingest.test_endpoints import assert_problem
from tests.support.sdks import HTTP

pytestmark = pytest.mark.usefixtures("door")

STRUCTURED, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
EVENT = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "subject": "u"}
BINARY = {f"ce-{name}": value for name, value in EVENT.items()}

Send = Callable[..., Any]


@pytest.fixture
def send(client: Client) -> Send:
    """`send(body, content_type, {header: …})`; what is no bytes is sent as JSON."""

    def post(body: Any, content_type: str = STRUCTURED, headers: dict[str, str] | None = None) -> Any:
        value = body if isinstance(body, bytes) else orjson.dumps(body)
        return client.generic("POST", "/events", value, content_type=content_type, headers=headers)

    return post


def answered(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["status"]


@pytest.mark.parametrize("sdk", HTTP)
def test_an_sdks_event_is_accepted_once(send: Send, door: str, sdk: str) -> None:
    sent = {name.lower(): value.decode("latin-1") for name, value in HTTP[sdk].headers.items()}
    kind = sent.pop("content-type", "")
    first, again = (send(HTTP[sdk].body, kind, sent) for _ in range(2))
    assert (answered(first), answered(again)) == ((202, "accepted"), (200, "duplicate"))
    assert first["Location"] == "/events/%2Ffiles%2Fa%2520b%20i1"
    (message,) = read_topic(door)
    envelope = decode_envelope(message.value() or b"")
    assert (envelope.id, envelope.userId, envelope.type) == ("/files/a%20b i1", "u-1", "page.viewed")
    assert orjson.loads(bytes(envelope.payload)) == {"seq": 3, "a": 1.5}
    assert message.key() == b"u-1"


def test_what_is_json_already_goes_to_kafka_byte_by_byte(send: Send, door: str) -> None:
    data = b'{"n": 0.10000000000000000000001,  "m":[1e2]}'
    assert send(data, "application/json; charset=utf-8", BINARY).status_code == 202
    assert send(orjson.dumps({**EVENT, "id": "2"})[:-1] + b',"data": %b }' % data, STRUCTURED).status_code == 202
    assert [bytes(decode_envelope(each.value() or b"").payload) for each in read_topic(door)] == [data, data]


@pytest.mark.parametrize("kind", ["application/json", "Application/CloudEvents+JSON; charset=UTF-8", BATCH])
def test_the_bodys_form_says_what_it_is(send: Send, kind: str) -> None:
    one = send({**EVENT, "id": "one"}, kind)
    assert (one.status_code, one.json()) == (202, {"eventId": "/s one", "status": "accepted"})
    many = send([{**EVENT, "id": "one"}, {**EVENT, "id": "two"}, {**EVENT, "source": "a b"}, {"userId": "u"}], kind)
    assert many.status_code == 202
    results = many.json()["results"]
    assert [each["status"] for each in results] == ["duplicate", "accepted", "invalid", "invalid"]
    assert results[2]["error"] == "[2].source: has a blank, which no URI has: write it as %20"
    assert results[3]["error"] == "[3].specversion: is missing"


def test_one_event_that_is_no_json_spoils_no_other_of_a_list(send: Send) -> None:
    body = b'[%b,{"id": NaN}]' % orjson.dumps(EVENT)
    assert [each["status"] for each in send(body, BATCH).json()["results"]] == ["accepted", "invalid"]


@pytest.mark.parametrize(("body", "error"), [(b"[]", "is empty: send at least one event"), (b"[", "is not valid JSON")])
def test_a_list_that_cannot_be_used_is_refused(send: Send, body: bytes, error: str) -> None:
    assert assert_problem(send(body, BATCH), 400)["error"].startswith(error)


def test_a_list_of_plain_events_is_still_refused(send: Send) -> None:
    assert "Expected `object`" in assert_problem(send(b'[{"userId":"u","type":"t"}]', "application/json"), 400)["error"]


def test_an_event_without_data_needs_no_body(send: Send, door: str) -> None:
    assert send(b"", "", BINARY).status_code == 202
    (message,) = read_topic(door)
    assert bytes(decode_envelope(message.value() or b"").payload) == b"{}"


def test_headers_without_a_content_type_are_enough(send: Send) -> None:
    assert send(b'{"a":1}', "", BINARY).status_code == 202
    assert_problem(send({"userId": "u", "type": "t"}, ""), 415)
    problem = assert_problem(send(b"a=1", "application/x-www-form-urlencoded", {**BINARY, "ce-id": "2"}), 415)
    assert "send application/json" in problem["error"]


def test_a_refused_event_is_remembered_under_its_own_id(send: Send, redis: Redis) -> None:
    problem = assert_problem(send(b'{"seq": 0}', "application/json", BINARY), 400)
    assert (problem["eventId"], problem["errors"][0]["path"]) == ("/s 1", "data.seq")
    assert redis.hget("event:/s 1", "status") == b"invalid"
    assert send(b'{"seq": 1}', "application/json", BINARY).status_code == 202
    assert redis.hget("event:/s 1", "status") is None


def test_headers_alone_tell_what_they_lack(send: Send) -> None:
    problem = assert_problem(send(b"{}", "application/json", {"ce-id": "1", "ce-type": "t"}), 400)
    assert problem["error"] == "ce-specversion: is missing"


def test_other_data_under_an_id_is_a_conflict(send: Send, redis: Redis, door: str) -> None:
    """Whatever the form, and however the time may have moved on."""
    assert answered(send({**EVENT, "data": {"a": 1}, "time": "2026-01-31T12:00:00Z"})) == (202, "accepted")
    assert answered(send(b'{"a": 1.0}', "application/json", BINARY)) == (200, "duplicate")
    for other in ({"data": {"a": 2}}, {"data": {"a": 1}, "type": "x"}, {"data": {"a": 1}, "subject": "v"}):
        problem = assert_problem(send({**EVENT, **other}), 409)
        assert problem["error"].startswith("this id stands for another event already, with other data")
        assert problem["eventId"] == "/s 1"
    assert redis.zcard("rate:u") == 1 and not redis.exists("rate:v")
    assert len(read_topic(door)) == 1


def test_conflicts_are_found_in_a_list_too(send: Send) -> None:
    def event(id: str, a: int) -> dict[str, Any]:
        return {**EVENT, "id": id, "data": {"a": a}}

    results = send([event("1", 1), event("1", 1), event("1", 2), event("2", 1)], BATCH).json()["results"]
    assert [each["status"] for each in results] == ["accepted", "duplicate", "conflict", "accepted"]
    assert results[2]["error"].startswith("this id stands for another event already")
    results = send([event("1", 1), event("1", 2), event("2", 2)], BATCH).json()["results"]
    assert [each["status"] for each in results] == ["duplicate", "conflict", "conflict"]


def test_the_same_id_of_a_plain_event_stays_a_duplicate(send: Send) -> None:
    plain = {"userId": "u", "type": "t", "eventId": "/s 1"}
    assert answered(send({**plain, "payload": {"a": 1}}, "application/json")) == (202, "accepted")
    assert answered(send({**plain, "payload": {"a": 2}}, "application/json")) == (200, "duplicate")
    assert answered(send({**EVENT, "data": {"a": 3}})) == (200, "duplicate")  # nobody knows what the first one held


def test_a_key_that_cannot_be_used_is_named(send: Send) -> None:
    problem = assert_problem(send(b"{}", "application/json", {**BINARY, "Idempotency-Key": "k" * 256}), 400)
    assert problem["errors"][0]["path"] == "Idempotency-Key"


def test_a_key_belongs_to_one_event(send: Send) -> None:
    key = {"Idempotency-Key": "k"}
    assert answered(send({**EVENT, "data": {"a": 1}}, STRUCTURED, key)) == (202, "accepted")
    assert answered(send({**EVENT, "data": {"a": 1}}, STRUCTURED, key)) == (200, "duplicate")
    assert (
        "idempotency key" in assert_problem(send({**EVENT, "id": "2", "data": {"a": 1}}, STRUCTURED, key), 409)["error"]
    )
    assert answered(send({**EVENT, "data": {"a": 1}})) == (200, "duplicate")
    longest = send([{**EVENT, "id": "6"}], BATCH, {"Idempotency-Key": "k" * 255}).json()["results"]
    assert longest[0]["status"] == "accepted"
    many = send([{**EVENT, "id": "3"}, {**EVENT, "id": "4"}], BATCH, {"Idempotency-Key": "l"})
    assert [each["status"] for each in many.json()["results"]] == ["accepted", "accepted"]
    assert_problem(send({**EVENT, "id": "5"}, STRUCTURED, {"Idempotency-Key": "l#1"}), 409)


def test_the_consumer_is_told_that_an_envelope_was_a_cloudevent(send: Send, door: str) -> None:
    send(EVENT)
    send({"userId": "u", "type": "t"}, "application/json")
    first, plain = (list(dict(each.headers() or [])) for each in read_topic(door))
    assert (first, plain) == (["cloudevent"], [])


def test_a_long_ids_other_data_is_known_as_such_by_the_consumer(send: Send, door: str, redis: Redis) -> None:
    """Where the door has forgotten the first one."""
    long = {**EVENT, "id": "i" * 300}
    assert send({**long, "data": {"a": 1}}).status_code == 202
    redis.flushdb()
    assert send({**long, "data": {"a": 2}}).status_code == 202
    partitions = Partitions()
    partitions.assign([(door, 0), (door, 1)])
    batch = read_messages(read_topic(door), partitions, Batch())
    settled = process_batch(batch.arrivals, batch.poisons)
    assert (settled.count("processed"), settled.count("poison")) == (1, 1)


def test_other_data_under_an_id_that_came_by_kafka_is_a_conflict_too(send: Send, door: str) -> None:
    """As after Redis was emptied: the door has no memory of it, the inbox has."""
    came = read_message(Message(door, 0, 0, b"u", orjson.dumps({**EVENT, "data": {"a": 1}})))
    assert isinstance(came, Arrival)
    after_commit(process_batch([came], []))
    key = {"Idempotency-Key": "k"}
    for headers in ({}, key, key):
        assert assert_problem(send({**EVENT, "data": {"a": 2}}, headers=headers), 409)["eventId"] == "/s 1"
    assert answered(send({**EVENT, "data": {"a": 1.0}})) == (200, "duplicate")
    results = send([{**EVENT, "data": {"a": n}} for n in (1, 2)], BATCH).json()["results"]
    assert [each["status"] for each in results] == ["duplicate", "conflict"]
    assert read_topic(door) == []
