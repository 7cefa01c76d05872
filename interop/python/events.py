"""Sends the events by httpx and by three Kafka clients, as Python's serializers write them."""

from __future__ import annotations

import asyncio
import json
import os
import platform
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from typing import Any

import httpx
import msgspec
import orjson
from aiokafka import AIOKafkaProducer
from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import json_format, struct_pb2
from kafka import KafkaProducer
from pydantic import TypeAdapter

DOOR, KAFKA, TOPIC = os.environ["DOOR"], os.environ["KAFKA"], os.environ["TOPIC"]
AT = datetime(2025, 10, 8, 15, 30, 22, 456789, tzinfo=UTC)
MS = 1_759_937_422_456
ANY = TypeAdapter(dict[str, Any])

Members = dict[str, Any]
Serialize = Callable[[Members], bytes]


def events() -> dict[str, Members]:
    bought = {"productId": "p", "productName": "n", "price": Decimal("129.99"), "quantity": 2.0}
    return {
        "plain": {"payload": {"path": "/start"}, "timestamp": MS},
        "time": {"payload": {}, "timestamp": AT},
        "money": {"family": "product", "payload": bought, "timestamp": MS},
        "seq": {"payload": {"seq": 1.0}, "timestamp": MS},
        "null": {"payload": None, "timestamp": MS},
        "empty": {"payload": {}, "timestamp": MS},
        "text": {"payload": {"text": 'Grüße, 世界 👋 </a> \u2028 "\\'}, "timestamp": MS},
    }


def by_json(event: Members) -> bytes:
    """With `default=str`, the shortest way to make json write times and decimals at all."""
    return json.dumps(event, default=str).encode()


def by_orjson(event: Members) -> bytes:
    return orjson.dumps(event, default=str)


def by_protobuf(event: Members) -> bytes:
    """In a Struct, as who has no message of his own for it: every number is a double there."""
    struct = struct_pb2.Struct()
    json_format.ParseDict(json.loads(by_orjson(event)), struct)
    return json_format.MessageToJson(struct, indent=None).encode()


SERIALIZERS: dict[str, Serialize] = {
    "json": by_json,
    "orjson": by_orjson,
    "msgspec": msgspec.json.encode,
    "pydantic": ANY.dump_json,
    "protobuf": by_protobuf,
}


def named(client: str, serializer: str, via: str) -> Iterator[tuple[str, bytes]]:
    """Each event's name, which is its id, its user and its key, and its bytes."""
    id = "eventId" if via == "http" else "id"
    for label, members in events().items():
        name = f"{client}/{serializer}/{via}/{label}"
        yield name, SERIALIZERS[serializer]({id: name, "userId": name, "type": "interop", **members})


def tell(name: str, text: bytes, answer: str = "") -> None:
    print(f"sent\t{name}\t{text.decode(errors='backslashreplace')}\t{answer}")


def by_http() -> None:
    with httpx.Client(base_url=DOOR, headers={"Content-Type": "application/json"}) as client:
        for serializer in SERIALIZERS:
            for name, text in named("httpx", serializer, "http"):
                answer = client.post("/events", content=text)
                tell(name, text, f"{answer.status_code} {answer.text}")


def by_confluent() -> None:
    producer = Producer({"bootstrap.servers": KAFKA, "partitioner": "murmur2_random"})
    for serializer in SERIALIZERS:
        for name, text in named("confluent-kafka", serializer, "kafka"):
            producer.produce(TOPIC, key=name, value=text)
            tell(name, text)
    name, framed = by_registry()
    producer.produce(TOPIC, key=name, value=framed)
    tell(name, framed)
    assert producer.flush(30) == 0


def by_registry() -> tuple[str, bytes]:
    """What goes with Confluent's Schema Registry; a registry in memory stands in for it."""
    name = "confluent-kafka/JSONSerializer/kafka/plain"
    client = SchemaRegistryClient.new_client({"url": "mock://interop"})
    serialize = JSONSerializer('{"title": "event", "type": "object"}', client)
    event = {"id": name, "userId": name, "type": "interop", **events()["plain"]}
    return name, serialize(event, SerializationContext(TOPIC, MessageField.VALUE))


def by_kafka_python() -> None:
    producer = KafkaProducer(bootstrap_servers=KAFKA)
    for name, text in named("kafka-python", "json", "kafka"):
        producer.send(TOPIC, key=name.encode(), value=text).get(30)
        tell(name, text)
    producer.close()


async def by_aiokafka() -> None:
    async with AIOKafkaProducer(bootstrap_servers=KAFKA) as producer:
        for name, text in named("aiokafka", "json", "kafka"):
            await producer.send_and_wait(TOPIC, key=name.encode(), value=text)
            tell(name, text)


if __name__ == "__main__":
    for package in (
        "httpx",
        "orjson",
        "msgspec",
        "pydantic",
        "protobuf",
        "confluent-kafka",
        "kafka-python",
        "aiokafka",
    ):
        print(f"version\t{package}\t{version(package)}")
    print(f"version\tjson\tPython {platform.python_version()}\nversion\tJSONSerializer\t{version('confluent-kafka')}")
    by_http()
    by_confluent()
    by_kafka_python()
    asyncio.run(by_aiokafka())
