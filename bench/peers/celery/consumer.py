"""Hands each of a topic's events to Celery."""

import os
import signal

import orjson
from confluent_kafka import Consumer
from tasks import store

stopped: list[int] = []
signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
consumer = Consumer(
    {
        "bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        "group.id": os.environ["KAFKA_CONSUMER_GROUP"],
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }
)
consumer.subscribe([os.environ["KAFKA_EVENTS_TOPIC"]])
while not stopped:
    messages = consumer.consume(500, 0.1)
    for message in messages:
        store.delay(orjson.loads(message.value()))
    if messages:
        consumer.commit(asynchronous=False)
consumer.close()
