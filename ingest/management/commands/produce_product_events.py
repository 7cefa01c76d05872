"""`manage.py produce_product_events`: plays the product team, whose producers know nothing of this code."""

from __future__ import annotations

import threading
from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from itertools import count
from random import SystemRandom
from typing import Any

import orjson
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ingest.families.product_events.samples import sample
from processing.domain.away import StoppedError, retry_while_away
from processing.kafka.clients import client_config, ensure_topics
from processing.kafka.troubles import reason
from processing.management.signals import told_to_end

START_TIMEOUT_S = 5.0
DELIVERY_TIMEOUT_MS = 5_000
POLL_S = 0.1
FIRST_WAIT_S = 1.0


class Command(BaseCommand):
    help = "Writes sample messages to the product topic, without a key, and prints each one that Kafka has."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--schema", choices=("v1", "v2"), default="v2", help="default: %(default)s")
        parser.add_argument("--interval", type=seconds, default=10.0, help="seconds between two (%(default)s)")
        parser.add_argument("--count", type=at_least_one, help="end after so many (default: go on until stopped)")

    def handle(self, *args: Any, **options: Any) -> None:
        """A Kafka that is away at the start is an error, since the address may be wrong; later it is waited for."""
        stop = threading.Event()
        with told_to_end(stop.set):
            try:
                ensure_topics([settings.KAFKA_PRODUCT_TOPIC], START_TIMEOUT_S)
            except KafkaException as error:
                raise CommandError(f"{settings.KAFKA_CLIENT_CONFIG['bootstrap.servers']}: {reason(error)}") from error
            self._produce(stop, options["schema"], options["interval"], options["count"])

    def _produce(self, stop: threading.Event, schema: str, interval: float, limit: int | None) -> None:
        producer = Producer({**client_config(), "acks": "all", "delivery.timeout.ms": DELIVERY_TIMEOUT_MS})
        random = SystemRandom()
        for number in count(1):
            self._deliver(producer, orjson.dumps(sample(schema, random, datetime.now(UTC))), stop)
            if number == limit or stop.wait(interval):
                return

    def _deliver(self, producer: Producer, value: bytes, stop: threading.Event) -> None:
        """Write it, again and again while Kafka is away: by its eventId it counts once."""
        try:
            line = retry_while_away(
                lambda: deliver(producer, value), self._why_away, stop=stop, first_wait_s=FIRST_WAIT_S
            )
        except StoppedError:
            self.stderr.write("given up")
        else:
            self.stdout.write(line)

    def _why_away(self, error: Exception) -> str | None:
        if not isinstance(error, KafkaException):
            return None
        self.stderr.write(f"{reason(error)}; trying again")
        return "Kafka is away"


def deliver(producer: Producer, value: bytes) -> str:
    """Write a message and wait until Kafka has it: a line that says where. Raises `KafkaException`."""
    delivered: list[tuple[KafkaError | None, Message]] = []
    producer.produce(
        settings.KAFKA_PRODUCT_TOPIC, value, on_delivery=lambda error, message: delivered.append((error, message))
    )
    while not delivered:
        producer.poll(POLL_S)
    error, message = delivered[0]
    if error is not None:
        raise KafkaException(error)
    return f"partition {message.partition()} offset {message.offset()}  {value.decode()}"


def seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < threading.TIMEOUT_MAX:
        raise ArgumentTypeError(f"{text} is not 0 or above")
    return value


def at_least_one(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ArgumentTypeError(f"{text} is not 1 or above")
    return value
