"""JSON read digit by digit, and what is wrong with bytes that cannot be read."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
import orjson
import pytest

from processing.domain.decode import decode_object, dump_json, read_as, read_payload
from processing.domain.envelope import Invalid


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b'{"n":9007199254740993.25}', b'{"n":9007199254740993.25}'),
        (b'{"n":0.10000000000000000001}', b'{"n":0.10000000000000000001}'),
        (b'{"n":1.50}', b'{"n":1.50}'),
        (b'{"n":1e3}', b'{"n":1E+3}'),
        (b'{"n":[18446744073709551615,-9223372036854775808]}', b'{"n":[18446744073709551615,-9223372036854775808]}'),
        (b'{"n":1e300}', b'{"n":1E+300}'),
        (b'{"n":-0.0}', b'{"n":-0.0}'),
    ],
)
def test_a_number_keeps_its_digits(raw: bytes, text: bytes) -> None:
    assert read_payload(raw)[1] == text
    assert dump_json(decode_object(text)) == text


def test_null_is_an_empty_payload() -> None:
    assert read_payload(msgspec.Raw(b"null")) == ({}, b"{}")


def test_what_is_no_integer_literal_is_a_decimal() -> None:
    assert decode_object(b'{"a":[1,1.0,0.1]}')["a"] == [1, Decimal("1.0"), Decimal("0.1")]
    assert [type(each) for each in decode_object(b'{"a":[1,1.0,0.1]}')["a"]] == [int, Decimal, Decimal]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "payload: is empty: send JSON"),
        (b" ", "payload: is empty: send JSON"),
        (
            b'\x00\x00\x00\x00\x07{"a":1}',
            "payload: begins with the five bytes of a Schema Registry serializer (schema 7)",
        ),
        (b'{"a":[{"b":"\\ud83d"}]}', "payload.a[0].b: has a lone surrogate"),
        (b'{"\\udc00":1}', "payload: has a lone surrogate"),
        (b'{"a":NaN}', "payload.a: is NaN, which JSON does not have"),
        (b'{"a":[1,-Infinity]}', "payload.a[1]: is -Infinity, which JSON does not have"),
        (b'{"a":{"n":18446744073709551616}}', "payload.a.n: is an integer beyond 64 bits: send it as a string"),
        (b'{"a":{"n":-9223372036854775809}}', "payload.a.n: is an integer beyond 64 bits"),
        (b'{"n":1e400}', "payload.n: is a number beyond what a double can tell"),
        (b'{"n":1e-1075}', "payload.n: is a number beyond what a double can tell"),
        (b'{"n":0.' + b"1" * 1_075 + b"}", "payload.n: is a number beyond what a double can tell"),
        (b'{"n":1e99999999999999999999}', "payload: has a number with an exponent beyond all measure"),
        (
            b"[]",
            "payload: Expected `object`, got `array`; an object without members is {}, which PHP writes for (object)[]",
        ),
        (b"{", "payload: is not valid JSON: "),
        (b"\xff\xfe{\x00}\x00", "payload: is not valid JSON: "),  # UTF-16
        (b'{"a":01}', "payload: is not valid JSON: "),
    ],
)
def test_what_cannot_be_read_is_named(raw: bytes, said: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_payload(raw)
    assert str(caught.value).startswith(said)


class Inner(msgspec.Struct):
    n: int


class Counted(msgspec.Struct):
    n: Annotated[int, msgspec.Meta(ge=1)] | None = None
    inner: Inner | None = None
    many: list[Inner] = []
    by_name: dict[str, int] = {}
    by_number: dict[int, str] = {}
    one_of: Literal[1, 2] = 1
    number: float | int = 0
    amount: Decimal = Decimal(0)
    free: dict[str, Any] = {}


@pytest.mark.parametrize(
    ("raw", "payload"),
    [
        (b'{"n": 2.0}', Counted(n=2)),
        (b'{"n": 1.7E12}', Counted(n=1_700_000_000_000)),
        (b'{"inner": {"n": 2e0}}', Counted(inner=Inner(2))),
        (b'{"many": [{"n": 1.0}, {"n": 2}]}', Counted(many=[Inner(1), Inner(2)])),
        (b'{"by_name": {"a": 2.0}}', Counted(by_name={"a": 2})),
        (b'{"by_number": {"3": "x"}}', Counted(by_number={3: "x"})),
        (b'{"one_of": 2.0}', Counted(one_of=2)),
        (b'{"amount": 0.1234567890123456789}', Counted(amount=Decimal("0.1234567890123456789"))),
        (b'{"n": 2.0, "free": {"a": 1.0}}', Counted(n=2, free={"a": Decimal("1.0")})),
    ],
)
def test_an_integer_is_one_however_it_is_written(raw: bytes, payload: Counted) -> None:
    read = read_as(Counted, decode_object(raw))
    assert read == payload
    assert type(read.n) in (int, type(None))
    assert orjson.dumps(read.one_of)  # a Decimal it could not write


def test_a_float_of_a_schema_stays_one_and_a_free_number_keeps_its_form() -> None:
    read = read_as(Counted, decode_object(b'{"number": 2.0, "n": 1.0, "free": {"a": 1.0}}'))
    assert type(read.number) is float
    assert str(read.free["a"]) == "1.0"


@pytest.mark.parametrize("raw", [b'{"n": 1.5}', b'{"n": "2"}', b'{"n": true}', b'{"n": 0.0}', b'{"n": 1e30}'])
def test_what_is_no_integer_is_refused(raw: bytes) -> None:
    with pytest.raises(Invalid) as caught:
        read_as(Counted, decode_object(raw))
    assert caught.value.path == "payload.n"
