"""Where each client's partitioner puts a key, against where the door puts it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from confluent_kafka import Message

from tests.pipeline.log import Record, Topic, read_all

PARTITIONS = 8
DOOR = "the door"
OTHERS = (
    "confluent-kafka (librdkafka), default",
    "kafka-go, default",
    "kafka-go, Hash",
    "kafkajs, LegacyPartitioner",
    "sarama, default",
)
KEYS = 1000  # as many as the programs `keys` produce, with the same names


@dataclass(frozen=True)
class Agreement:
    partitioner: str
    elsewhere: float


def keys_topic(servers: str) -> Topic:
    """A topic that holds the keys as the door places them: its settings are the pipeline's own."""
    topic = Topic(servers, "interop-keys", "interop-keys", PARTITIONS)
    topic.produce(Record(f"u-{number}".encode(), DOOR.encode()) for number in range(KEYS))
    return topic


def agreements(servers: str, topic: Topic) -> list[Agreement]:
    """Of each partitioner the part of its messages that do not lie where the door puts their key."""
    placed = _placed(read_all(servers, topic.name))
    door = dict(placed.pop(DOOR))
    return [Agreement(name, _elsewhere(found, door)) for name, found in sorted(placed.items())]


def _placed(messages: Iterable[Message]) -> dict[str, list[tuple[bytes, int]]]:
    placed: dict[str, list[tuple[bytes, int]]] = defaultdict(list)
    for message in messages:
        key, value, partition = message.key(), message.value(), message.partition()
        assert isinstance(key, bytes) and isinstance(value, bytes) and partition is not None
        placed[value.decode()].append((key, partition))
    return placed


def _elsewhere(found: list[tuple[bytes, int]], door: Mapping[bytes, int]) -> float:
    assert len(found) == KEYS, f"{len(found)} of {KEYS} keys"
    return sum(partition != door[key] for key, partition in found) / len(found)


def surprises(found: Iterable[Agreement]) -> list[str]:
    """Partitioners that agree though they are no murmur2, or do not though they are."""
    return [
        f"{each.partitioner}: {each.elsewhere:.1%} of the keys lie elsewhere"
        for each in found
        if (each.elsewhere == 0) == any(each.partitioner.startswith(other) for other in OTHERS)
    ]
