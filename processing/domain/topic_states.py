"""What a topic's state on the cluster means: whether it can be written and read, and how many copies it should have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WRITE, READ = "WRITE", "READ"  # rights, as Kafka's ACLs name them
LEAST_COPIES = 3  # of a topic that is made where there are so many brokers
AS_THE_CLUSTER = -1  # to Kafka: the copies that the cluster gives a topic by default
NAMED = 3  # partitions that a line names


@dataclass(frozen=True)
class PartitionState:
    """`copies` it should have, and how many of them are `in_sync`."""

    number: int
    has_leader: bool
    in_sync: int
    copies: int


@dataclass(frozen=True)
class TopicState:
    """As the cluster tells it. `rights` are this client's, `min_in_sync` is min.insync.replicas; None: not told."""

    name: str
    partitions: Sequence[PartitionState]
    rights: frozenset[str] | None = None
    min_in_sync: int | None = None

    @property
    def copies(self) -> int:
        return min((partition.copies for partition in self.partitions), default=0)


def why_not_writable(topic: TopicState) -> str:
    """Why an event cannot be acknowledged by all in-sync copies now; empty if it can, as far as the cluster told."""
    return _no_right(topic, WRITE) or _no_leader(topic) or _too_few_in_sync(topic)


def why_not_readable(topic: TopicState) -> str:
    return _no_right(topic, READ) or _no_leader(topic)


def why_not_safe(topic: TopicState, brokers: int) -> str:
    """Why it loses acknowledged events sooner than it needs to; empty if it does not."""
    if topic.min_in_sync is not None and topic.copies < topic.min_in_sync:
        return (
            f"topic {topic.name} has {_count(topic.copies)}, fewer than its min.insync.replicas={topic.min_in_sync}: "
            "Kafka acknowledges all the same. Give it more copies with kafka-reassign-partitions.sh"
        )
    if topic.copies == 1 and brokers > 1:
        return (
            f"topic {topic.name} has one copy on a cluster of {brokers} brokers: what was acknowledged is lost with "
            "one disk. Give it more copies with kafka-reassign-partitions.sh"
        )
    return ""


def copies_of_new_topic(brokers: int, clusters: int | None, wanted: int | None) -> int:
    """How many copies a topic is made with. `clusters`: the cluster's default, None if it is not told; `wanted`: the
    setting, None if it is not set."""
    if wanted is not None:
        return wanted
    if brokers < LEAST_COPIES or (clusters is not None and clusters >= LEAST_COPIES):
        return AS_THE_CLUSTER
    return LEAST_COPIES


def _no_right(topic: TopicState, right: str) -> str:
    if topic.rights is None or right in topic.rights:
        return ""
    return f"no right to {right} topic {topic.name}: the cluster's ACLs do not allow it"


def _no_leader(topic: TopicState) -> str:
    without = [partition.number for partition in topic.partitions if not partition.has_leader]
    return f"{_of(topic, without)}: no broker leads it" if without else ""


def _too_few_in_sync(topic: TopicState) -> str:
    """Kafka asks for no more copies than a partition has."""
    few = [each.number for each in topic.partitions if each.in_sync < min(topic.min_in_sync or 0, each.copies)]
    if not few:
        return ""
    least = min(each.in_sync for each in topic.partitions if each.number in few)
    return f"{_of(topic, few)}: only {_count(least)} in sync, min.insync.replicas={topic.min_in_sync}"


def _of(topic: TopicState, numbers: Sequence[int]) -> str:
    named = ", ".join(map(str, numbers[:NAMED])) + (" …" if len(numbers) > NAMED else "")
    return f"topic {topic.name}, {len(numbers)} of {len(topic.partitions)} partitions ({named})"


def _count(copies: int) -> str:
    return "one copy" if copies == 1 else f"{copies} copies"
