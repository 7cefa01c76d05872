"""Sends CloudEvents by the Python SDK, its new module and the old one, binary and structured, by HTTP and Kafka."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import requests
from cloudevents.core.bindings import http as http_binding
from cloudevents.core.bindings import kafka as kafka_binding
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1 import http as old_http
from cloudevents.v1 import kafka as old_kafka
from confluent_kafka import Producer

DOOR, KAFKA, TOPIC = os.environ["DOOR"], os.environ["KAFKA"], os.environ["TOPIC"]
AT = datetime(2025, 10, 8, 15, 30, 22, 456789, tzinfo=UTC)
DATA: dict[str, tuple[Any, dict[str, str]]] = {
    "plain": ({"path": "/start"}, {}),
    "text": ({"text": 'Grüße, 世界 👋 </a> \u2028 "\\'}, {}),
    "grün 100%": ({"path": "/start"}, {}),
    "null": (None, {}),
    "seq": ({}, {"sequence": "1"}),
}
OF_DATA = {"datacontenttype": "application/json"}


def cases(client: str, serializer: str, form: str, via: str) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Each event's name, its attributes, and its data."""
    source = f"{client}/{serializer}-{form}/{via}"
    for label, (data, more) in DATA.items():
        name = f"{source}/{label}"
        members = {"type": "interop", "source": source, "id": label, "subject": name, "partitionkey": name, **more}
        yield name, {**members, **(OF_DATA if data is not None else {})}, data


def tell(name: str, text: bytes | str | None, answer: str = "") -> None:
    shown = text.decode(errors="backslashreplace") if isinstance(text, bytes) else text or ""
    print(f"sent\t{name}\t{shown}\t{answer}")


NEW_HTTP = {"binary": http_binding.to_binary_event, "structured": http_binding.to_structured_event}
NEW_KAFKA = {"binary": kafka_binding.to_binary_event, "structured": kafka_binding.to_structured_event}
OLD_HTTP: dict[str, Callable[..., Any]] = {"binary": old_http.to_binary, "structured": old_http.to_structured}
OLD_KAFKA: dict[str, Callable[..., Any]] = {"binary": old_kafka.to_binary, "structured": old_kafka.to_structured}


def by_http(session: requests.Session) -> None:
    for form, write in NEW_HTTP.items():
        for name, attributes, data in cases("requests", "cloudevents-py", form, "http"):
            message = write(CloudEvent({**attributes, "specversion": "1.0", "time": AT}, data))
            post(session, name, message.headers, message.body)
    for form, write_old in OLD_HTTP.items():
        for name, attributes, data in cases("requests", "cloudevents-py-v1", form, "http"):
            headers, body = write_old(old_event(attributes, data))
            post(session, name, headers, body)


def post(session: requests.Session, name: str, headers: dict[str, str], body: bytes | None) -> None:
    answer = session.post(f"{DOOR}/events", headers=headers, data=body)
    tell(name, body, f"{answer.status_code} {answer.text}")


def by_kafka(producer: Producer) -> None:
    for form, write in NEW_KAFKA.items():
        for name, attributes, data in cases("confluent-kafka", "cloudevents-py", form, "kafka"):
            message = write(CloudEvent({**attributes, "specversion": "1.0", "time": AT}, data))
            produce(producer, name, message)
    for form, write_old in OLD_KAFKA.items():
        for name, attributes, data in cases("confluent-kafka", "cloudevents-py-v1", form, "kafka"):
            produce(producer, name, write_old(old_event(attributes, data)))


def old_event(attributes: dict[str, Any], data: Any) -> Any:
    """Its Kafka binding raises KeyError where there is no datacontenttype, which the specification does not require."""
    return old_http.CloudEvent({**attributes, **OF_DATA, "time": AT.isoformat()}, data)


def produce(producer: Producer, name: str, message: Any) -> None:
    producer.produce(TOPIC, key=message.key or name, value=message.value, headers=message.headers)
    tell(name, message.value)


if __name__ == "__main__":
    for name in ("cloudevents-py", "cloudevents-py-v1"):
        print(f"version\t{name}\t{version('cloudevents')}")
    print(f"version\trequests\t{version('requests')}")
    with requests.Session() as session:
        by_http(session)
    producer = Producer({"bootstrap.servers": KAFKA})
    by_kafka(producer)
    assert producer.flush(30) == 0
