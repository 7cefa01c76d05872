"""What becomes of CloudEvents, by the bytes that SDKs write, at the door and on the topic `events` alike."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import Settings

from ingest.parsing import cloudevents as door
from ingest.parsing.candidate import Candidate, Refused
from processing.domain.cloudevents import read_http_header
from processing.domain.decode import decode_envelope
from processing.domain.envelope import Event
from processing.domain.messages import (
    Message,
    Poison,
    read_message,
)
from tests.support.cloudevents import CONTEXT, accepted, arrived, by_http, by_kafka, seen, structured
from tests.support.sdks import HTTP, KAFKA, ByHttp, ByKafka

AT = 1_769_860_800_123
ALIKE = ("/files/a%20b i1", "u-1", "page.viewed", 3, AT, b'{"seq":3,"a":1.5}')


@pytest.mark.parametrize("sdk", HTTP)
def test_an_sdks_event_by_http(sdk: str) -> None:
    assert seen(accepted(by_http(HTTP[sdk]))) == ALIKE


@pytest.mark.parametrize("sdk", KAFKA)
def test_an_sdks_event_by_kafka(sdk: str) -> None:
    assert seen(arrived(by_kafka(KAFKA[sdk]))) == ALIKE


def seen_everywhere(value: bytes) -> Event | str:
    """Of a structured event: what one way in makes of it, once both have made the same."""
    parsed = door.parse_structured(value, None, CONTEXT)
    outcome = read_message(Message("events", 0, 0, None, value))
    if isinstance(parsed, Refused):
        assert isinstance(outcome, Poison)
        assert outcome.error.removeprefix("the message ") == str(parsed.error)
        assert parsed.user_id in ("", outcome.user_id)  # of what is no CloudEvent at all a poison tells what it can
        assert parsed.type in ("", outcome.type)
        return str(parsed.error)
    assert arrived(outcome).members == accepted(parsed).members
    return accepted(parsed)


def event_of(**members: Any) -> Event:
    event = seen_everywhere(structured(**members))
    assert isinstance(event, Event), event
    return event


@pytest.mark.parametrize(
    ("members", "refusal"),
    [
        ({"id": ...}, "id: is missing"),
        ({"id": ""}, "id: is missing"),
        ({"source": None}, "source: is missing"),
        ({"type": ...}, "type: is missing"),
        ({"specversion": "0.3"}, "specversion: must be 1.0"),
        ({"source": "/a b"}, "source: has a blank, which no URI has: write it as %20"),
        ({"subject": ...}, "partitionkey: is missing: send the user as partitionkey or subject (CLOUDEVENTS_USER)"),
        ({"subject": "u" * 256}, "subject: Expected `str` of length <= 255"),
        ({"subject": " "}, "subject: is blank"),
        ({"partitionkey": "u\0"}, "partitionkey: has a NUL character"),
        ({"type": "t" * 101}, "type: Expected `str` of length <= 100"),
        ({"time": "2026-01-31"}, "time: is a date alone: add a time of day and a zone, such as T12:00:00Z"),
        ({"extra": {"a": 1}}, "extra: must be a text, a number, true or false, as every attribute"),
        ({"data": {"seq": 2}, "sequence": "3"}, "data.seq: is 2, but the event's sequence is 3: send one of them"),
        ({"seq": 2, "sequence": "3"}, "seq: is 2, but sequence is 3: send one of them"),
        ({"data": {"a": "\0"}}, "data.a: has a NUL character"),
        ({"data": {"seq": "1"}}, "data.seq: must be an integer from 1 to 9007199254740991"),
        ({"type": "add_revenue", "data": {"value": "x"}}, None),
        ({"data_base64": "?"}, "data_base64: is not base64: Only base64 data is allowed"),
        ({"data": {}, "data_base64": "e30="}, "data_base64: stands beside data: send one of them"),
    ],
)
def test_what_cannot_be_used_is_named(members: dict[str, Any], refusal: str | None) -> None:
    told = seen_everywhere(structured(**members))
    assert isinstance(told, str)
    assert told == refusal or (refusal is None and told.startswith("data.value: "))


@pytest.mark.parametrize("sequence", ["0", "-1", "1.5", "x", True, 2**53])
def test_a_sequence_that_is_no_place_is_refused(sequence: object) -> None:
    told = seen_everywhere(structured(sequence=sequence))
    assert isinstance(told, str) and told.startswith("sequence: must be an integer from 1 to")


@pytest.mark.parametrize("data", ["text", 5, [1], True, '["a"]'])
def test_data_must_be_an_object(data: object) -> None:
    told = seen_everywhere(structured(data=data))
    assert isinstance(told, str) and told.startswith("data: ")
    assert told.endswith("the data of an event is its payload: send a JSON object")


def test_bytes_that_are_no_json_are_refused() -> None:
    told = seen_everywhere(structured(data_base64="iVBORw0KGgo="))
    assert isinstance(told, str) and told.startswith("data_base64: is not valid JSON")


@pytest.mark.parametrize("data", [..., None])
def test_an_event_without_data_has_an_empty_payload(data: object) -> None:
    assert event_of(data=data).payload_json == b"{}"
    assert event_of(data=data, seq=7).payload_json == b'{"seq":7}'


@pytest.mark.parametrize("seq", [3, "3", "003", 3.0])
def test_a_seq_is_an_integer_however_it_is_written(seq: object) -> None:
    event = event_of(sequence=seq, data={"a": 1})
    assert (event.seq, event.payload_json) == (3, b'{"seq":3,"a":1}')


def test_a_seq_in_the_data_may_be_told_twice() -> None:
    assert event_of(sequence=3, data={"a": 1, "seq": 3.0}).seq == 3
    assert event_of(data={"seq": 4}).seq == 4


def test_data_goes_to_kafka_byte_by_byte() -> None:
    data = b'{"n": 0.10000000000000000000001, "a":[1.0 , 1e2],"n2":12345678901234567890 }'
    body = structured()[:-1] + b',"data":' + data + b"}"
    made = door.parse_structured(body, None, CONTEXT)
    assert isinstance(made, Candidate)
    assert bytes(decode_envelope(made.value).payload) == data
    numbered = door.parse_structured(body[:-1] + b',"sequence":"8"}', None, CONTEXT)
    assert isinstance(numbered, Candidate)
    assert bytes(decode_envelope(numbered.value).payload) == b'{"seq":8,' + data[1:]


def test_the_id_is_source_and_id_or_a_uuid_of_both() -> None:
    assert event_of(source="/a", id="b c").id == "/a b c"
    longest = "i" * 252
    assert event_of(id=longest).id == f"/s {longest}"
    too_long, other = event_of(id="i" * 253).id, event_of(source="/si", id="i" * 252).id
    assert too_long != other and too_long[14] == other[14] == "8" and len(too_long) == 36
    assert event_of(id="i" * 253).id == too_long


def test_numbers_and_booleans_are_texts() -> None:
    event = event_of(id=12, partitionkey=34, flag=True)
    assert (event.id, event.user_id) == ("/s 12", "34")
    assert event_of(partitionkey=False).user_id == "false"


def test_the_user_is_the_attribute_that_the_site_names(settings: Settings) -> None:
    assert event_of(partitionkey="p").user_id == "p"
    assert event_of(partitionkey="").user_id == "u"
    settings.CLOUDEVENTS_USER = ["customer"]
    assert event_of(partitionkey="p", customer="c").user_id == "c"
    told = seen_everywhere(structured(partitionkey="p"))
    assert told == "customer: is missing: send the user as customer (CLOUDEVENTS_USER)"


def test_a_type_that_a_family_owns_belongs_to_it() -> None:
    assert event_of(type="add_revenue", data={"value": 1.25}).family == "revenue"


@pytest.mark.parametrize(
    ("header", "text"),
    [
        (b"100%", "100%"),
        (b"100%25", "100%"),
        (b"a%2", "a%2"),
        (b"%E2%82%AC", "€"),
        ("€".encode(), "€"),
        (b"%FF", "%FF"),
        (b'"a \\"b\\" c"', 'a "b" c'),
        (b'a "b" c', 'a "b" c'),
        (b"a%20b", "a b"),
    ],
)
def test_a_header_is_percent_decoded_where_it_was_encoded(header: bytes, text: str) -> None:
    assert read_http_header("subject", header) == text


@pytest.mark.parametrize(("header", "text"), [(b"/a%20b", "/a%20b"), (b"/a%2520b", "/a%20b"), (b"/%C3%A4", "/ä")])
def test_a_source_has_no_blank(header: bytes, text: str) -> None:
    assert read_http_header("source", header) == text


def test_a_header_that_is_not_utf_8_is_named() -> None:
    refused = by_http(ByHttp({**HTTP["go binary"].headers, "ce-subject": b"Zo\xeb"}, b"{}"))
    assert isinstance(refused, Refused)
    assert str(refused.error) == "ce-subject: is not UTF-8: send it as UTF-8, by HTTP percent-encoded"


@pytest.mark.parametrize("name", ["subject", "source", "sequence"])
def test_a_header_that_the_web_server_emptied_is_not_taken_for_left_out(name: str) -> None:
    refused = by_http(ByHttp({**HTTP["go binary"].headers, f"Ce-{name.title()}": b""}, b"{}"))
    assert isinstance(refused, Refused)
    assert str(refused.error).startswith(f"ce-{name}: is empty, or not ASCII: percent-encode it")


def test_a_header_that_nobody_needs_may_be_empty() -> None:
    assert accepted(by_http(ByHttp({**HTTP["go binary"].headers, "ce-comment": b""}, b"{}"))).user_id == "u-1"


def test_attributes_of_headers_are_named_as_headers() -> None:
    headers = {"ce-specversion": b"1.0", "ce-id": b"1", "ce-type": b"t", "ce-partitionkey": b"u"}
    refused = by_http(ByHttp(headers, b"[]"))
    assert isinstance(refused, Refused)
    assert (str(refused.error), refused.user_id, refused.type) == ("ce-source: is missing", "u", "t")
    refused = by_http(ByHttp({**headers, "ce-source": b"/s"}, b'{"seq": true}'))
    assert isinstance(refused, Refused)
    assert str(refused.error).startswith("data.seq: ") and refused.id == "/s 1"
    poison = by_kafka(ByKafka([("ce_id", b"1")], b"u", b"{}"))
    assert isinstance(poison, Poison)
    assert (poison.error, poison.user_id) == ("ce_specversion: is missing", "u")


def test_the_content_of_an_event_is_no_matter_of_its_time_or_form() -> None:
    made = [by_http(HTTP[sdk]) for sdk in HTTP]
    assert len({each.digest for each in made if isinstance(each, Candidate)}) == 1
    other = door.parse_structured(structured(data={"a": 2}), None, CONTEXT)
    same = door.parse_structured(structured(data={"a": 2.0}, time="2026-01-31T12:00:00Z"), "key", CONTEXT)
    assert isinstance(other, Candidate) and isinstance(same, Candidate)
    assert other.digest == same.digest


def test_a_list_is_read_item_by_item() -> None:
    one, bad, plain = structured(id="1"), structured(id="2", source="a b"), b'{"userId":"u","type":"t"}'
    events = door.parse_list(b"[%b,%b,%b]" % (one, bad, plain), "key", 10, CONTEXT)
    assert isinstance(events[0], Candidate) and events[0].key
    refused = [each for each in events if isinstance(each, Refused)]
    assert [each.error.path for each in refused] == ["[1].source", "[2].specversion"]
