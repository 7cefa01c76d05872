"""The test's own view of Kafka: a plain producer, exact ends, committed offsets, and what a topic holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

FLUSH_S = 60
ANSWER_S = 20
BACKLOG_MESSAGES = 5_000


@dataclass(frozen=True)
class Record:
    """A message to produce. `headers` as any program may leave them out."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True)
class Place:
    partition: int
    offset: int


class Topic:
    """One topic and one group that reads it. What was produced through it is known exactly."""

    def __init__(self, servers: str, name: str, group: str, partitions: int, *, make: bool = True) -> None:
        self.name = name
        self.group = group
        self.partitions = range(partitions)
        self._client: dict[str, Any] = {"bootstrap.servers": servers}
        self._ends = dict.fromkeys(self.partitions, 0)
        admin = AdminClient(self._client)
        for made in admin.create_topics([NewTopic(name, partitions, 1)]).values() if make else ():
            made.result(ANSWER_S)
        self._asker = Consumer({**self._client, "group.id": group, "enable.auto.commit": False})
        self._producer = Producer(
            {**self._client, "acks": "all", "enable.idempotence": True, "partitioner": "murmur2_random", "linger.ms": 5}
        )

    def close(self) -> None:
        self._asker.close()

    def produce(self, records: Iterable[Record]) -> list[Place]:
        """Send these and wait for all acknowledgements; returns where each of them stands."""
        records = list(records)
        places: list[Place | None] = [None] * len(records)

        def note(index: int, error: KafkaError | None, message: Message) -> None:
            assert error is None, error
            partition, offset = _stood(message)
            places[index] = Place(partition, offset)
            self._ends[partition] = max(self._ends[partition], offset + 1)

        for index, record in enumerate(records):
            self._producer.produce(
                self.name,
                key=record.key,
                value=record.value,
                headers=list(record.headers),
                on_delivery=partial(note, index),
            )
            if index % BACKLOG_MESSAGES == BACKLOG_MESSAGES - 1:
                self._producer.flush(FLUSH_S)
        assert self._producer.flush(FLUSH_S) == 0, "the broker did not acknowledge everything"
        return [place for place in places if place is not None]

    def ends(self) -> dict[int, int]:
        return dict(self._ends)

    def learn_ends(self) -> None:
        """Find out how far the topic reaches, when others write to it too."""
        _, self._ends = _read(self._client["bootstrap.servers"], self.name)

    def committed(self) -> dict[int, int]:
        """The group's committed offsets; below 0 where there is none."""
        asked = [TopicPartition(self.name, partition) for partition in self.partitions]
        return {answer.partition: answer.offset for answer in self._asker.committed(asked, timeout=ANSWER_S)}

    def is_drained(self) -> bool:
        return self.committed() == self._ends


def read_all(servers: str, topic: str) -> list[Message]:
    """All that a topic holds now, whoever wrote it; nothing if nobody has made it yet."""
    messages, _ = _read(servers, topic)
    return messages


def _read(servers: str, topic: str) -> tuple[list[Message], dict[int, int]]:
    """The messages, and where each partition ends."""
    reader = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": f"reader-{uuid4().hex}",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    try:
        known = reader.list_topics(timeout=ANSWER_S).topics
        if topic not in known:
            return [], {}
        reader.assign([TopicPartition(topic, number, 0) for number in known[topic].partitions])
        return _until_ends(reader, len(known[topic].partitions))
    finally:
        reader.close()


def _until_ends(reader: Any, partitions: int) -> tuple[list[Message], dict[int, int]]:
    found: list[Message] = []
    ends: dict[int, int] = {}
    while len(ends) < partitions:
        message = reader.poll(ANSWER_S)  # one by one: `consume` of many waits for as many, or for its whole timeout
        assert message is not None, "the broker did not say where the topic ends"
        error = message.error()
        if error is None:
            found.append(message)
        else:
            assert error.code() == KafkaError._PARTITION_EOF, error
            partition, offset = _stood(message)
            ends[partition] = offset
    return found, ends


def _stood(message: Message) -> tuple[int, int]:
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    return partition, offset
