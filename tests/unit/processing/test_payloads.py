"""A payload is read, refused and described alike, whichever library declares it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any

import msgspec
import pytest
from django.db import OperationalError
from msgspec import Meta
from rest_framework import serializers

from processing.domain.envelope import Envelope, Invalid
from processing.domain.families import Family
from processing.domain.fields import check_fields
from processing.domain.payloads import payload_of
from processing.domain.validate import check_event

PRICE = Decimal("0.12345678901234567890123")


class Line(msgspec.Struct):
    price: Decimal
    quantity: Annotated[int, Meta(ge=1)] = 1


class Order(msgspec.Struct):
    status: str
    lines: list[Line]
    first: Line | None = None
    free: dict[str, Any] = {}

    def __post_init__(self) -> None:
        if self.status == "bad":
            raise Invalid("status", "is bad")


class LineSerializer(serializers.Serializer[Any]):
    price = serializers.DecimalField(max_digits=40, decimal_places=30)
    quantity = serializers.IntegerField(min_value=1, required=False)


class OrderSerializer(serializers.Serializer[Any]):
    status = serializers.CharField()
    lines = LineSerializer(many=True)
    first = LineSerializer(required=False)
    free = serializers.JSONField(required=False)

    def validate_status(self, value: str) -> str:
        if value == "bad":
            raise serializers.ValidationError("is bad")
        return value


def order_model() -> type:
    """Pydantic is an extra."""
    pydantic = pytest.importorskip("pydantic")

    class LineModel(pydantic.BaseModel):  # type: ignore[name-defined,misc]
        price: Decimal
        quantity: Annotated[int, pydantic.Field(ge=1)] = 1

    class OrderModel(pydantic.BaseModel):  # type: ignore[name-defined,misc]
        model_config = pydantic.ConfigDict(extra="forbid")

        status: str
        lines: list[LineModel]
        first: LineModel | None = None
        free: dict[str, Any] = {}

        @pydantic.field_validator("status")  # type: ignore[untyped-decorator]
        @classmethod
        def check(cls, value: str) -> str:
            if value == "bad":
                raise ValueError("is bad")
            return value

    OrderModel.model_rebuild(_types_namespace={"LineModel": LineModel, "Decimal": Decimal, "Any": Any})
    return OrderModel


@pytest.fixture(params=[lambda: Order, lambda: OrderSerializer, order_model], ids=["msgspec", "drf", "pydantic"])
def schema(request: pytest.FixtureRequest) -> type:
    make: Callable[[], type] = request.param
    return make()


def member(made: Any, name: str) -> Any:
    return made[name] if isinstance(made, dict) else getattr(made, name)


def test_numbers_keep_every_digit(schema: type) -> None:
    free = {"depth": Decimal("1.10")}
    members = {"status": "new", "lines": [{"price": PRICE, "quantity": Decimal("2.0")}], "free": free, "seq": 4}
    made = payload_of(schema).read(members)
    (line,) = member(made, "lines")
    assert (member(line, "price"), member(line, "quantity")) == (PRICE, 2)
    assert member(made, "free") == free and str(member(made, "free")["depth"]) == "1.10"
    assert members["seq"] == 4


@pytest.mark.parametrize(
    ("members", "path", "message"),
    [
        ({"lines": []}, "payload.status", "is missing"),
        ({"status": "new", "lines": [{"price": 1}, {}]}, "payload.lines[1].price", "is missing"),
        ({"status": "new", "lines": [{"price": 1, "quantity": 0}]}, "payload.lines[0].quantity", ""),
        ({"status": "new", "lines": [{"price": "dear"}]}, "payload.lines[0].price", ""),
        ({"status": "new", "lines": [], "first": {"price": []}}, "payload.first.price", ""),
        ({"status": "bad", "lines": []}, "payload.status", "is bad"),
        ({"status": [], "lines": []}, "payload.status", ""),
    ],
)
def test_what_is_wrong_is_told_by_the_same_path(schema: type, members: dict[str, Any], path: str, message: str) -> None:
    with pytest.raises(Invalid) as error:
        payload_of(schema).read(members)
    assert error.value.path == path
    assert error.value.message == message if message else "\n" not in error.value.message


@pytest.mark.parametrize(
    ("members", "unknown"),
    [
        ({"status": "new", "colour": "red"}, "payload.colour"),
        ({"first": {"price": 1, "colour": "red"}}, "payload.first.colour"),
        ({"free": {"colour": "red"}, "seq": 1, "fail": True}, ""),
    ],
)
def test_a_member_that_nobody_declared_is_refused_at_the_door(
    schema: type, members: dict[str, Any], unknown: str
) -> None:
    if not unknown:
        return check_fields(schema, members)
    with pytest.raises(Invalid, match="is not a known member") as error:
        check_fields(schema, members)
    assert error.value.path == unknown
    return None


def test_it_describes_itself(schema: type) -> None:
    described, components = payload_of(schema).describe("#/components/schemas/{name}")
    assert described["type"] == "object"
    assert list(described["properties"]) == ["status", "lines", "first", "free"]
    assert described["required"] == ["status", "lines"]
    item = described["properties"]["lines"]["items"]
    if "$ref" in item:
        assert item["$ref"].startswith("#/components/schemas/")
        item = components[item["$ref"].rpartition("/")[2]]
    assert item["required"] == ["price"]
    assert item["properties"]["quantity"] | {"default": 1, "title": ""} == {
        "type": "integer",
        "minimum": 1,
        "default": 1,
        "title": "",
    }


class Cut(BaseException):
    """As a library in Rust raises when it panics, or asyncio when it cancels."""


class Sums(msgspec.Struct):
    total: Decimal

    def __post_init__(self) -> None:
        raise Cut("it panicked")


class SumsSerializer(serializers.Serializer[Any]):
    """Its library itself fails: it rounds 30 digits to a context of 28."""

    total: Any = serializers.DecimalField(max_digits=None, decimal_places=2)


def sums_model() -> type:
    pydantic = pytest.importorskip("pydantic")

    class SumsModel(pydantic.BaseModel):  # type: ignore[name-defined,misc]
        total: Decimal

        @pydantic.field_validator("total")  # type: ignore[untyped-decorator]
        @classmethod
        def check(cls, value: Decimal) -> Decimal:
            rates: dict[str, Decimal] = {}
            return value * rates["EUR"]

    SumsModel.model_rebuild(_types_namespace={"Decimal": Decimal})
    return SumsModel


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Sums, "Cut: it panicked"),
        (lambda: SumsSerializer, "InvalidOperation: [<class 'decimal.InvalidOperation'>]"),
        (sums_model, "KeyError: 'EUR'"),
    ],
    ids=["msgspec", "drf", "pydantic"],
)
def test_a_check_that_fails_in_its_own_way_refuses_its_event_alone(make: Callable[[], type], told: str) -> None:
    """On a topic whatever it raises would else end the consumer, again after each start."""
    kind = Family(name="sums", schema=make())
    payload = msgspec.Raw(b'{"total":"%b"}' % (b"1" * 30))
    with pytest.raises(Invalid) as error:
        check_event(Envelope("e", "u", "t", payload, 5, "sums"), kind)
    assert (error.value.path, error.value.message) == ("payload", f"its check failed, {told}")


class Known(msgspec.Struct):
    """Asks a database, which is away."""

    id: str

    def __post_init__(self) -> None:
        raise OperationalError("connection refused")


def test_a_check_whose_database_is_away_refuses_nothing() -> None:
    kind = Family(name="known", schema=Known)
    with pytest.raises(OperationalError):
        check_event(Envelope("e", "u", "t", msgspec.Raw(b'{"id":"a"}'), 5, "known"), kind)


def test_a_class_of_none_of_the_three_is_refused_in_a_line() -> None:
    with pytest.raises(ValueError, match=r"^int must be a msgspec.Struct, a pydantic.BaseModel or a serializer of"):
        payload_of(int)
