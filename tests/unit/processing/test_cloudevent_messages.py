"""CloudEvents as messages of the topic `events`: which mode they are of, and when their headers are asked for."""

from __future__ import annotations

import pytest

from processing.domain.cloudevents import find_headers
from processing.domain.messages import (
    Arrival,
    Message,
    Poison,
    may_be_cloudevent,
    read_headers,
    read_message,
    write_headers,
)
from tests.support.cloudevents import CONTEXT, EVENT, arrived, by_kafka, structured
from tests.support.sdks import ByKafka

BINARY = [(f"ce_{name}", value.encode()) for name, value in EVENT.items()]


def test_a_null_value_with_headers_is_an_event_without_data() -> None:
    event = arrived(by_kafka(ByKafka(BINARY, None, None)))
    assert (event.id, event.payload_json, event.timestamp) == ("/s i1", b"{}", CONTEXT.now)
    tombstone = by_kafka(ByKafka([], b"u", None))
    assert isinstance(tombstone, Poison) and "tombstone" in tombstone.error


def test_the_content_type_decides_between_the_modes() -> None:
    value = structured(id="inner")
    event = arrived(
        by_kafka(ByKafka([("Content-Type", b"APPLICATION/CloudEvents+json;charset=UTF-8"), *BINARY], None, value))
    )
    assert event.id == "/s inner"
    assert arrived(by_kafka(ByKafka(BINARY, None, value))).members["id"] == "inner"


def test_an_envelope_with_a_specversion_stays_one() -> None:
    value = b'{"id":"e","userId":"u","type":"t","payload":{},"timestamp":1790000000000,"specversion":"1.0"}'
    outcome = read_message(Message("events", 0, 0, None, value))
    assert isinstance(outcome, Arrival)
    assert (outcome.event.id, outcome.one_content) == ("e", False)


def test_a_subject_goes_before_the_key_of_a_message() -> None:
    assert arrived(by_kafka(ByKafka(BINARY, b"key", b"{}"))).user_id == "u"
    unnamed = [each for each in BINARY if each[0] != "ce_subject"]
    assert arrived(by_kafka(ByKafka(unnamed, b"key", b"{}"))).user_id == "key"


@pytest.mark.parametrize(
    ("topic", "value", "asked"),
    [
        ("events", b'{"id":"e","userId":"u","type":"t","payload":{},"timestamp":1790000000000}', False),
        ("events", b'{"id":"/s e","userId":"u","type":"t","payload":{},"timestamp":1790000000000}', True),
        (
            "events",
            b'{"id":"0198a7b2-0000-8000-8000-000000000000","userId":"u","type":"t","payload":{},'
            b'"timestamp":1790000000000}',
            True,
        ),
        ("events", structured(), True),
        ("events", b'{"a":1}', True),
        ("events", None, True),
        ("product-events", b'{"a":1}', False),
    ],
)
def test_headers_are_asked_for_only_where_they_may_say_more(topic: str, value: bytes | None, asked: bool) -> None:
    assert may_be_cloudevent(read_message(Message(topic, 0, 0, None, value))) is asked


def test_the_doors_own_messages_and_others_have_no_headers_to_keep() -> None:
    assert find_headers(None) is None
    assert find_headers([("traceparent", b"00"), ("content-type", b"application/json")]) is None
    ours = [("cloudevent", b"digest"), ("traceparent", b"00")]
    assert find_headers(ours) == ours


def test_headers_are_kept_in_a_row() -> None:
    headers = [("ce_id", b"\xff\0"), ("ce_none", None)]
    assert read_headers(write_headers(headers)) == headers
    assert write_headers(None) is None and read_headers(None) is None
