"""Prints what json, orjson, msgspec, pydantic, protobuf and Confluent's serializer write: value, text."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from importlib.metadata import version
from platform import python_version

import msgspec
import orjson
import pydantic
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import json_format
from google.protobuf.wrappers_pb2 import DoubleValue, Int64Value


class Model(pydantic.BaseModel):
    at: datetime
    price: Decimal


OTHERS = ("confluent-kafka", "orjson", "msgspec", "pydantic", "protobuf")


def show(name: str, text: str) -> None:
    print(f"{name}\t{text}")


def framed() -> bytes:
    """What Confluent's serializer writes; a registry in memory stands in for theirs."""
    client = SchemaRegistryClient.new_client({"url": "mock://values"})
    serialize = JSONSerializer('{"title": "event", "type": "object"}', client)
    event = {"id": "e", "userId": "u", "type": "t", "timestamp": 1_790_000_000_000}
    return bytes(serialize(event, SerializationContext("events", MessageField.VALUE)))


MINUTE = datetime(2025, 10, 8, 15, 30, tzinfo=timezone(timedelta(hours=2)))
show("versions", ", ".join([f"Python {python_version()}", *(f"{each} {version(each)}" for each in OTHERS)]))
show("float", json.dumps(1759937422457.0))
show("time.time", json.dumps(1759937422.457))
show("large float", json.dumps(1e16))
show("not a number", json.dumps({"n": float("nan")}))
show("half a character", json.dumps({"text": "\ud83d"}))
show("isoformat", json.dumps(MINUTE.isoformat()))
show("isoformat to the minute", json.dumps(MINUTE.isoformat(timespec="minutes")))
show("naive isoformat", json.dumps(datetime(2025, 10, 8, 15, 30).isoformat()))  # noqa: DTZ001 - it is the point
show("decimal as text", json.dumps(str(Decimal("1E+3"))))
show("decimal zero as text", json.dumps(str(Decimal("0") * Decimal("1E-8"))))
show("str of a time", json.dumps({"at": MINUTE}, default=str).removeprefix('{"at": ').removesuffix("}"))
show("date", json.dumps(MINUTE.date().isoformat()))
show("week date", json.dumps(MINUTE.strftime("%G-W%V-%uT%H:%M:%SZ")))
show("basic", json.dumps(MINUTE.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")))
show("byte order mark", json.dumps({"a": 1}).encode("utf-8-sig").decode())
show("protobuf int64", json_format.MessageToJson(Int64Value(value=1759937422457)))
show("protobuf double", json_format.MessageToJson(DoubleValue(value=1759937422457)))
show("confluent framed, in hex", framed().hex())
show("orjson", orjson.dumps(MINUTE).decode())
show("msgspec", msgspec.json.encode(MINUTE).decode())
show("msgspec decimal", msgspec.json.encode(Decimal("1E+3")).decode())
show("pydantic", Model(at=MINUTE.astimezone(UTC), price=Decimal("1E+3")).model_dump_json())
