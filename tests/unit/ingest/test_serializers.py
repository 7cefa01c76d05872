"""What mainstream serializers write by default, taken or refused alike by the door, the topic `events` and files.

The bytes are the serializers' own: tests/data/serializers.tsv, written by the programs `values` in interop/.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ingest.files.apply.events import read_carefully, read_line
from ingest.parsing.candidate import Candidate, Context
from ingest.parsing.events import parse_batch, parse_one
from ingest.parsing.money import read_money
from processing.domain.envelope import Event, Invalid
from processing.domain.messages import Arrival, Message, Poison, read_message
from tests.support.events import read_event
from tests.support.serializers import TIMES, WRITTEN

CONTEXT = Context(caller="anonymous", now=1_790_000_000_000, max_bytes=10_000)

Seen = Event | str


def written(by: str, what: str) -> str:
    return WRITTEN[by, what]


def by_the_door(text: str) -> Seen:
    parsed = parse_one(text.encode(), None, CONTEXT)
    return read_event(parsed.value) if isinstance(parsed, Candidate) else str(parsed.error)


def by_a_batch(text: str) -> Seen:
    (parsed,) = parse_batch(b'{"events":[%s]}' % text.encode(), 10, CONTEXT)
    seen = read_event(parsed.value) if isinstance(parsed, Candidate) else str(parsed.error)
    return seen.removeprefix("events[0].") if isinstance(seen, str) else seen


def by_the_topic(text: str) -> Seen:
    value = text.replace('"eventId"', '"id"').encode()
    outcome = read_message(Message("events", 0, 0, None, value))
    return outcome.event if isinstance(outcome, Arrival) else outcome.error


def by_a_file(text: str, how: Any = read_line) -> Seen:
    try:
        event: Event = how(text.encode(), "made", None, CONTEXT.now, CONTEXT.max_bytes)
        return event
    except Invalid as error:
        return str(error)


def seen_everywhere(text: str) -> Seen:
    """What one of them makes of an event, once all have made the same of it."""
    first = by_the_door(text)
    others = [by_a_batch(text), by_the_topic(text), by_a_file(text), by_a_file(text, read_carefully)]
    assert others == [first] * len(others)
    return first


def accepted(text: str) -> Event:
    seen = seen_everywhere(text)
    assert isinstance(seen, Event), seen
    return seen


def refused(text: str) -> str:
    seen = seen_everywhere(text)
    assert isinstance(seen, str), seen
    return seen


def body(*, timestamp: str = "1790000000000", payload: str = "{}", **members: str) -> str:
    more = "".join(f',"{name}":{value}' for name, value in members.items())
    return f'{{"eventId":"e","userId":"u","type":"t","timestamp":{timestamp},"payload":{payload}{more}}}'


def product(price: str = "1", currency: str = "USD", quantity: str = "1") -> str:
    payload = f'{{"productId":"p","productName":"n","price":{price},"currency":"{currency}","quantity":{quantity}}}'
    return body(payload=payload, family='"product"')


@pytest.mark.parametrize(("by", "what", "expected"), [(*each, ms) for each, ms in TIMES.items()])
def test_a_time_is_taken_and_cut_to_ms(by: str, what: str, expected: int) -> None:
    assert accepted(body(timestamp=written(by, what))).timestamp == expected


SECONDS = "timestamp: looks like seconds: send milliseconds or RFC 3339"


@pytest.mark.parametrize(
    ("by", "what", "message"),
    [
        ("java", "jackson instant", SECONDS),
        ("java", "jackson instant at a full second", SECONDS),
        ("python", "time.time", SECONDS),
        ("php", "microtime", SECONDS),
        ("go", "unix seconds", SECONDS),
        ("ruby", "seconds", SECONDS),
        ("go", "unix microseconds", "timestamp: looks like microseconds"),
        ("go", "unix nanoseconds", "timestamp: looks like nanoseconds"),
        ("go", "protojson int64", "timestamp: is a number in quotes: send it without them"),
        ("python", "protobuf int64", "timestamp: is a number in quotes: send it without them"),
        ("java", "jackson local time", "timestamp: must be Unix milliseconds or an RFC 3339 time"),
        ("java", "jackson 3 local time", "timestamp: has no zone"),
        ("python", "date", "timestamp: is a date alone"),
        ("python", "week date", "timestamp: is a week or ordinal date"),
        ("python", "naive isoformat", "timestamp: has no zone"),
        ("ruby", "time", "timestamp: has a blank before its zone"),
        ("php", "object of a time", "timestamp: must be Unix milliseconds or an RFC 3339 time"),
    ],
)
def test_a_time_that_could_mean_another_is_refused_by_name(by: str, what: str, message: str) -> None:
    assert refused(body(timestamp=written(by, what))).startswith(message)


PRICES = [
    ("go", "decimal", "129.99"),
    ("ruby", "big decimal", "129.99"),
    ("ruby", "zero", "0.0"),
    ("python", "decimal as text", "1000"),
    ("python", "decimal zero as text", "0"),
    ("python", "msgspec decimal", "1000"),
    ("java", "jackson decimal", "1000"),
]


@pytest.mark.parametrize(("by", "what", "amount"), PRICES)
def test_a_price_is_exact(by: str, what: str, amount: str) -> None:
    assert read_money(accepted(product(price=written(by, what))).payload.price, "price") == Decimal(amount)


@pytest.mark.parametrize(
    ("what", "currency", "amount"),
    [("jackson decimal of three", "KWD", "1.234"), ("jackson decimal with zeros", "JPY", "500")],
)
def test_a_price_has_the_decimals_of_its_currency(what: str, currency: str, amount: str) -> None:
    event = accepted(product(price=written("java", what), currency=currency))
    assert read_money(event.payload.price, "price", currency) == Decimal(amount)


def test_a_price_with_more_decimals_than_its_currency_has_is_refused_by_name() -> None:
    message = refused(product(price=written("java", "jackson decimal of one"), currency="JPY"))
    assert message == "payload.price: has too many decimals for JPY: must have at most 0 decimal places"


@pytest.mark.parametrize(("by", "what"), [("java", "gson map"), ("php", "float kept")])
def test_a_quantity_is_an_integer_however_it_is_written(by: str, what: str) -> None:
    text = written(by, what).removeprefix('{"quantity":').removesuffix("}")
    quantity = accepted(product(quantity=text)).payload.quantity
    assert (quantity, type(quantity)) == (2, int)


def test_a_seq_is_one_too() -> None:
    text = written("java", "gson map").replace("quantity", "seq")
    assert accepted(body(payload=text)).seq == 2


@pytest.mark.parametrize(
    ("by", "what", "n"),
    [
        ("go", "number as it was", "9007199254740993.25"),
        ("java", "jackson decimal with digits", "9007199254740993.25"),
        ("rust", "unsigned", "18446744073709551615"),
        ("node", "small number", "1E-7"),
    ],
)
def test_a_free_number_keeps_its_digits(by: str, what: str, n: str) -> None:
    event = accepted(body(payload=written(by, what)))
    assert event.payload_json == f'{{"n":{n}}}'.encode()
    assert Decimal(event.members["n"]) == Decimal(n)


@pytest.mark.parametrize(("by", "what"), [("java", "jackson null"), ("java", "gson null"), ("rust", "none")])
def test_a_payload_of_null_is_an_empty_one(by: str, what: str) -> None:
    assert '"payload":null' in written(by, what)
    assert accepted(body(payload="null")).payload_json == b"{}"


@pytest.mark.parametrize(("by", "what"), [("go", "nil map")])
def test_an_empty_map_is_an_empty_payload(by: str, what: str) -> None:
    assert accepted(body(payload=written(by, what))).payload_json == b"{}"


def test_a_payload_that_is_left_out_is_an_empty_one() -> None:
    assert "payload" not in written("node", "no payload")
    text = '{"eventId":"e","userId":"u","type":"t","timestamp":1790000000000}'
    assert accepted(text).payload_json == b"{}"


def test_an_empty_array_of_php_is_refused_naming_what_it_writes_an_object_for() -> None:
    assert accepted(body(payload=written("php", "empty object"))).payload_json == b"{}"
    message = refused(body(payload=written("php", "empty array")))
    assert message.startswith("payload: Expected `object`, got `array`")
    assert message.endswith("an object without members is {}, which PHP writes for (object)[]")


@pytest.mark.parametrize(
    ("by", "what", "message"),
    [
        ("python", "not a number", "payload.n: is NaN, which JSON does not have"),
        ("python", "half a character", "payload.text: has a lone surrogate"),
        ("node", "half a character", "payload.text: has a lone surrogate"),
    ],
)
def test_what_is_no_json_or_no_text_is_named(by: str, what: str, message: str) -> None:
    assert refused(body(payload=written(by, what))).startswith(message)


def test_a_byte_order_mark_is_skipped() -> None:
    """As .NET's StreamWriter and PowerShell write it, and Python's "utf-8-sig"."""
    mark, payload = written("python", "byte order mark")[0], written("python", "byte order mark")[1:]
    text = body(payload=payload)
    event = accepted(text)
    marked = mark + text
    assert by_the_door(marked) == by_a_batch(marked.removeprefix("\ufeff")) == by_the_topic(marked) == event
    (parsed,) = parse_batch(b'\xef\xbb\xbf{"events":[%s]}' % text.encode(), 10, CONTEXT)
    assert isinstance(parsed, Candidate) and read_event(parsed.value) == event


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (
            bytes.fromhex(written("python", "confluent framed, in hex")),
            "the message begins with the five bytes of a Schema Registry serializer (schema 1): send JSON without "
            "them, by a serializer that writes JSON alone",
        ),
        (b"", "the message is empty: send JSON"),
        (None, "the message has no value (a tombstone)"),
    ],
)
def test_a_message_without_json_is_named(value: bytes | None, said: str) -> None:
    poison = read_message(Message("events", 0, 0, None, value))
    assert isinstance(poison, Poison)
    assert poison.error == said
