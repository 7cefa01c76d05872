"""`produce_product_events`: the product team, played."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import StringIO
from random import Random
from typing import Any

import orjson
import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from django.conf import settings as site
from django.core.management import call_command
from django.core.management.base import CommandError

from ingest.families.product_events.samples import sample
from ingest.families.product_events.schema import ProductPayload
from ingest.management.commands import produce_product_events
from processing.domain.fields import unnamed_fields
from processing.domain.messages import Arrival, Message, read_message
from tests.integration.ingest.conftest import read_topic
from tests.paths import ROOT

LINE = re.compile(r"partition (\d+) offset (\d+)  (\{.*\})")
V2_MEMBERS = {"discountCode", "discountAmount", "taxAmount", "shippingAddress"}


def arrival_of(value: bytes) -> Arrival:
    arrival = read_message(Message(site.KAFKA_PRODUCT_TOPIC, 0, 0, None, value))
    assert isinstance(arrival, Arrival), arrival
    return arrival


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """The command sets them for its process, which is the tests' own here."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("schema", ["v1", "v2"])
def test_every_sample_is_a_message_of_its_version(schema: str) -> None:
    random = Random(7)
    for _ in range(500):
        message = sample(schema, random, datetime.now(UTC))
        assert V2_MEMBERS.intersection(message) == (V2_MEMBERS if schema == "v2" else set())
        event = arrival_of(orjson.dumps(message)).event
        assert unnamed_fields(ProductPayload, orjson.loads(event.payload_json)) == {}


def test_it_writes_without_a_key_and_prints_what_kafka_has(topics: Callable[..., str], settings: Any) -> None:
    settings.KAFKA_PRODUCT_TOPIC = topics("products", partitions=2)
    output = StringIO()
    call_command("produce_product_events", schema="v2", interval=0.0, count=5, stdout=output)
    printed = [LINE.fullmatch(line) for line in output.getvalue().splitlines()]
    places = {(int(line[1]), int(line[2])): line[3].encode() for line in printed if line}
    messages = read_topic(settings.KAFKA_PRODUCT_TOPIC)
    assert len(printed) == 5
    assert places == {(message.partition(), message.offset()): message.value() for message in messages}
    assert {message.key() for message in messages} == {None}


def test_it_makes_the_topic_if_there_is_none(settings: Any, kafka_admin: AdminClient) -> None:
    settings.KAFKA_PRODUCT_TOPIC = f"products-{os.urandom(6).hex()}"
    call_command("produce_product_events", interval=0.0, count=1, stdout=StringIO())
    assert len(read_topic(settings.KAFKA_PRODUCT_TOPIC, site.KAFKA_TOPIC_PARTITIONS)) == 1


def test_a_kafka_that_is_not_there_is_one_line(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.KAFKA_CLIENT_CONFIG = {**site.KAFKA_CLIENT_CONFIG, "bootstrap.servers": "127.0.0.1:9"}
    monkeypatch.setattr(produce_product_events, "START_TIMEOUT_S", 0.5)
    with pytest.raises(CommandError, match=r"^127\.0\.0\.1:9: Kafka: [^\n]+$"):
        call_command("produce_product_events", count=1)


def test_one_that_goes_away_later_is_waited_for(topics: Callable[..., str], settings: Any, monkeypatch: Any) -> None:
    settings.KAFKA_PRODUCT_TOPIC = topics("products")
    deliver = produce_product_events.deliver
    failures = [KafkaException(KafkaError(KafkaError._TRANSPORT))]

    def away_at_first(*args: Any) -> str:
        if failures:
            raise failures.pop()
        return deliver(*args)

    monkeypatch.setattr(produce_product_events, "deliver", away_at_first)
    monkeypatch.setattr(produce_product_events, "FIRST_WAIT_S", 0.0)
    output, errors = StringIO(), StringIO()
    call_command("produce_product_events", interval=0.0, count=1, stdout=output, stderr=errors)
    assert "trying again" in errors.getvalue()
    assert LINE.fullmatch(output.getvalue().strip())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_when_told_to_between_two(topics: Callable[..., str], number: signal.Signals) -> None:
    environment = {**os.environ, "KAFKA_PRODUCT_TOPIC": topics("products"), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "manage.py", "produce_product_events", "--schema", "v1", "--interval", "600"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert LINE.fullmatch(process.stdout.readline().decode().strip())
        process.send_signal(number)
        assert (process.wait(), process.stdout.read(), process.stderr.read()) == (0, b"", b"")


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [("--interval", "-1", "-1 is not 0 or above"), ("--count", "0", "0 is not 1 or above"), ("--schema", "v3", "v3")],
)
def test_options_that_make_no_sense_are_refused(option: str, value: str, problem: str) -> None:
    with pytest.raises(CommandError, match=problem):
        call_command("produce_product_events", f"{option}={value}")
