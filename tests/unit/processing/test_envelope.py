"""What is an envelope, what is a payload, and what is refused where: tables."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest

from processing.domain.decode import decode_envelope, read_payload
from processing.domain.envelope import (
    MAX_SEQ,
    MAX_TIMESTAMP_MS,
    MIN_BARE_MS,
    MIN_TIMESTAMP_MS,
    Envelope,
    Invalid,
    encode_envelope,
)
from processing.domain.validate import read_seq

GOOD: dict[str, Any] = {"id": "e-1", "userId": "u-1", "type": "t", "payload": {}, "timestamp": 1_790_000_000_000}


def value(**members: Any) -> bytes:
    return orjson.dumps({**GOOD, **members})


def without(member: str) -> bytes:
    return orjson.dumps({name: content for name, content in GOOD.items() if name != member})


def test_what_was_encoded_is_read_again() -> None:
    for stamp in (1_790_000_000_000, MIN_BARE_MS, MIN_BARE_MS - 1, 5, 0, -1, MIN_TIMESTAMP_MS, MAX_TIMESTAMP_MS):
        envelope = Envelope("e-1", "ü", "t", msgspec.Raw(b'{"a": 1.50}'), stamp, family="game")
        assert decode_envelope(encode_envelope(envelope)) == envelope


@pytest.mark.parametrize(
    "good",
    [
        value(),
        value(family="game"),
        value(family=None),
        value(other="unknown members pass"),
        value(id="x" * 255),
        value(id="any form: /\n\"'"),
        value(userId="u" * 255),
        value(userId="€" * 255),  # characters, not bytes
        value(type="t" * 100),
        value(timestamp=MIN_BARE_MS),
        value(timestamp="2026-01-01T00:00:00Z"),
        value(payload=None),
        without("payload"),
        b"\xef\xbb\xbf" + value(),
        value(timestamp=MAX_TIMESTAMP_MS),
        b" \n" + value() + b" ",
        value().replace(b'"e-1"', b'"first","id":"e-1"'),  # of repeated members the last counts
        value().replace(b'"e-1"', b'{"no": "id"},"id":"","id":"e-1"'),
    ],
)
def test_these_are_envelopes(good: bytes) -> None:
    assert decode_envelope(good).type


@pytest.mark.parametrize(
    ("bad", "path"),
    [
        (b"", ""),
        (b"null", ""),
        (b"[]", ""),
        (b'"text"', ""),
        (b"{", ""),
        (value(other=1)[:-1] + b"0" * 20 + b"}", "other"),  # beyond 64 bits
        (value() + b"x", ""),
        (value() * 2, ""),
        (b"\xff" + value(), ""),
        (without("id"), "id"),
        (without("userId"), "userId"),
        (without("type"), "type"),
        (without("timestamp"), "timestamp"),
        (value(id=""), "id"),
        (value(id=None), "id"),
        (value(id=1), "id"),
        (value(id="x" * 256), "id"),
        (value(id="x" * 10_000), "id"),
        (value(userId=""), "userId"),
        (value(userId="u" * 256), "userId"),
        (value(type="t" * 101), "type"),
        (value(timestamp="2026-01-01T00:00:00"), "timestamp"),  # where?
        (value(timestamp=1.5), "timestamp"),
        (value(timestamp=True), "timestamp"),
        (value(timestamp=MAX_TIMESTAMP_MS + 1), "timestamp"),
        (value(timestamp=MIN_BARE_MS - 1), "timestamp"),
        (value(family=1), "family"),
        (value().replace(b"e-1", b"e\\u0000"), "id"),  # NUL …
        (value(payload={"a": [{"b": "x\0"}]}), "payload.a[0].b"),  # … wherever it stands
        (value(payload={"a\0": 1}), "payload"),  # … in a name too
        (value(other="\0"), "other"),
        (value().replace(b"e-1", b"\\ud800"), "id"),  # a lone surrogate
        (value().replace(b"e-1", b"\xff"), ""),  # no UTF-8
    ],
)
def test_these_are_none_and_the_error_names_the_place(bad: bytes, path: str) -> None:
    with pytest.raises(Invalid) as caught:
        decode_envelope(bad)
    assert caught.value.path == path
    assert caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"{}", b"{}"),
        (b' { "a" : [ 1 , 2.50 ] } ', b'{"a":[1,2.50]}'),
        (b'{"a":1,"a":2}', b'{"a":2}'),
        (b'{"n":18446744073709551615}', b'{"n":18446744073709551615}'),
        (b'{"n":-9223372036854775808}', b'{"n":-9223372036854775808}'),
        ('{"ü":"😀"}'.encode(), '{"ü":"😀"}'.encode()),
    ],
)
def test_a_payload_is_kept_as_compact_json(raw: bytes, text: bytes) -> None:
    assert read_payload(raw)[1] == text


@pytest.mark.parametrize(
    "raw",
    [
        b"[]",
        b'"text"',
        b"1",
        b'{"n":NaN}',
        b'{"n":Infinity}',
        b'{"n":18446744073709551616}',  # beyond 64 bits
        b'{"n":-9223372036854775809}',
        b'{"n":' + b"9" * 400 + b"}",
        b'{"a":' + b"[" * 300 + b"]" * 300 + b"}",
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":"\\ud800"}',
    ],
)
def test_a_payload_that_could_not_be_stored_is_refused(raw: bytes) -> None:
    with pytest.raises(Invalid) as caught:
        read_payload(raw)
    assert caught.value.path.startswith("payload")


@pytest.mark.parametrize(
    ("payload", "seq"),
    [({}, None), ({"seq": 1}, 1), ({"seq": MAX_SEQ}, MAX_SEQ)],
)
def test_a_seq_is_a_positive_integer_or_is_not_there(payload: dict[str, Any], seq: int | None) -> None:
    assert read_seq(payload) == seq


@pytest.mark.parametrize("seq", [0, -1, MAX_SEQ + 1, 1.5, True, "1", None, [1]])
def test_what_is_no_seq_is_refused(seq: object) -> None:
    with pytest.raises(Invalid) as caught:
        read_seq({"seq": seq})
    assert caught.value.path == "payload.seq"


def test_an_error_reads_as_one_line_with_its_place() -> None:
    assert str(Invalid("payload.seq", "must be an integer")) == "payload.seq: must be an integer"
    assert str(Invalid("", "is not valid JSON")) == "is not valid JSON"
