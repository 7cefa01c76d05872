"""Messages of other people's clients, which write what ours cannot read."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

import confluent_kafka
import pytest
from confluent_kafka import Consumer, Message, TopicPartition

from processing.consumer.batch import Batch, read_messages
from processing.consumer.partitions import Partitions
from processing.kafka.clients import asking_config, producer_config
from tests.support.batches import value

V_END, V_TOPIC, V_VALUE, V_MSGFLAGS, V_TIMESTAMP, V_HEADER = 0, 1, 4, 7, 8, 9  # of rd_kafka_producev
COPY = 2
NOW_S = 1_790_000_000  # in seconds, where ms belong


def produce(topic: str, text: bytes, *, header: bytes = b"x", timestamp: int = NOW_S * 1000) -> None:
    """By librdkafka itself, which takes any bytes for a header's name."""
    (path,) = (Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs").glob("librdkafka-*")
    library = ctypes.CDLL(str(path))
    library.rd_kafka_conf_new.restype = library.rd_kafka_new.restype = ctypes.c_void_p
    error, size = ctypes.create_string_buffer(512), ctypes.c_size_t(512)
    conf = ctypes.c_void_p(library.rd_kafka_conf_new())
    servers = str(producer_config()["bootstrap.servers"]).encode()
    assert library.rd_kafka_conf_set(conf, b"bootstrap.servers", servers, error, size) == 0
    producer = ctypes.c_void_p(library.rd_kafka_new(0, conf, error, size))
    message = (V_TOPIC, topic.encode(), V_VALUE, text, ctypes.c_ssize_t(len(text)), V_MSGFLAGS, COPY)
    extras = (V_TIMESTAMP, ctypes.c_int64(timestamp), V_HEADER, header, b"y", ctypes.c_ssize_t(1))
    assert library.rd_kafka_producev(producer, *message, *extras, V_END) == 0
    assert library.rd_kafka_flush(producer, 10_000) == 0
    library.rd_kafka_destroy(producer)


@pytest.fixture
def topic(topics: Callable[..., str]) -> str:
    return topics("events", partitions=1)


def poll_one(topic: str) -> Message:
    consumer = Consumer(asking_config("tests", "tests"))
    consumer.assign([TopicPartition(topic, 0, 0)])
    try:
        while (message := consumer.poll(10)) is not None and message.error():
            pass
        assert message is not None
        return message
    finally:
        consumer.close()


def assigned(topic: str) -> Partitions:
    partitions = Partitions()
    partitions.assign([(topic, 0)])
    return partitions


def test_a_header_whose_name_is_no_utf_8_stops_no_consumer(topic: str) -> None:
    produce(topic, b"no JSON", header=b"\xff\xfe")
    batch = read_messages([poll_one(topic)], assigned(topic), Batch())
    assert [poison.message.value for poison in batch.poisons] == [b"no JSON"]


def test_a_time_in_seconds_is_none(topic: str) -> None:
    """As ms it would be in 1970: the time to its outcome would be decades, and their sums beyond 64 bits."""
    produce(topic, value("a", family=None), timestamp=NOW_S)
    partitions = assigned(topic)
    batch = read_messages([poll_one(topic)], partitions, Batch())
    assert [arrival.message.written_at for arrival in batch.arrivals] == [None]
    assert [partition.lag().seconds for partition in partitions] == [0.0]
