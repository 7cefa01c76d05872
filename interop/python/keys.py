"""Produces the same thousand keys by each client and partitioner: the value says which."""

from __future__ import annotations

import asyncio
import os

from aiokafka import AIOKafkaProducer
from confluent_kafka import Producer
from kafka import KafkaProducer

KAFKA, TOPIC = os.environ["KAFKA"], os.environ["TOPIC"]
KEYS = [f"u-{number}".encode() for number in range(1000)]


def by_confluent(name: str, **settings: str) -> None:
    producer = Producer({"bootstrap.servers": KAFKA, **settings})
    for key in KEYS:
        producer.produce(TOPIC, key=key, value=name)
    assert producer.flush(30) == 0


def by_kafka_python() -> None:
    producer = KafkaProducer(bootstrap_servers=KAFKA)
    for sent in [producer.send(TOPIC, key=key, value=b"kafka-python, default") for key in KEYS]:
        sent.get(30)
    producer.close()


async def by_aiokafka() -> None:
    async with AIOKafkaProducer(bootstrap_servers=KAFKA) as producer:
        for sent in [await producer.send(TOPIC, key=key, value=b"aiokafka, default") for key in KEYS]:
            await sent


if __name__ == "__main__":
    by_confluent("confluent-kafka (librdkafka), default")
    by_confluent("confluent-kafka (librdkafka), murmur2_random", partitioner="murmur2_random")
    by_kafka_python()
    asyncio.run(by_aiokafka())
