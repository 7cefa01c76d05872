"""What the state of a topic means: a table of what the cluster says."""

from __future__ import annotations

import pytest

from processing.domain.topic_states import (
    AS_THE_CLUSTER,
    PartitionState,
    TopicState,
    copies_of_new_topic,
    why_not_readable,
    why_not_safe,
    why_not_writable,
)

ALL = frozenset({"READ", "WRITE", "DESCRIBE"})


def topic(*in_sync: int, copies: int = 3, least: int | None = 2, rights: frozenset[str] | None = ALL) -> TopicState:
    """A topic with so many copies in sync of each partition; -1: nobody leads it."""
    partitions = [PartitionState(number, each >= 0, max(each, 0), copies) for number, each in enumerate(in_sync)]
    return TopicState("events", partitions, rights, least)


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (topic(3, 2), ""),
        (topic(3, 1), "topic events, 1 of 2 partitions (1): only one copy in sync, min.insync.replicas=2"),
        (topic(1, least=None), ""),  # no right to ask for it
        (topic(1, copies=1, least=2), ""),  # Kafka asks for no more copies than there are
        (topic(3, -1), "topic events, 1 of 2 partitions (1): no broker leads it"),
        (topic(*[1] * 8), "topic events, 8 of 8 partitions (0, 1, 2 …): only one copy in sync, min.insync.replicas=2"),
        (topic(3, rights=None), ""),  # the embedded broker tells no rights
        (
            topic(3, rights=frozenset({"READ"})),
            "no right to WRITE topic events: the cluster's ACLs do not allow it",
        ),
    ],
)
def test_why_not_writable(state: TopicState, line: str) -> None:
    assert why_not_writable(state) == line


def test_reading_needs_a_leader_and_a_right() -> None:
    assert why_not_readable(topic(1, 1)) == ""
    assert "no broker leads it" in why_not_readable(topic(1, -1))
    assert "no right to READ" in why_not_readable(topic(3, rights=frozenset({"WRITE"})))


@pytest.mark.parametrize(
    ("state", "brokers", "words"),
    [
        (topic(1, copies=1, least=1), 1, ""),  # a laptop
        (topic(1, copies=1, least=1), 3, "has one copy on a cluster of 3 brokers"),
        (topic(1, copies=1, least=None), 3, "has one copy on a cluster of 3 brokers"),
        (topic(1, copies=1, least=2), 1, "has one copy, fewer than its min.insync.replicas=2"),
        (topic(2, copies=2, least=3), 3, "has 2 copies, fewer than its min.insync.replicas=3"),
        (topic(3, copies=3, least=2), 3, ""),
        (topic(2, copies=2, least=1), 3, ""),
    ],
)
def test_why_not_safe(state: TopicState, brokers: int, words: str) -> None:
    line = why_not_safe(state, brokers)
    assert words in line
    assert bool(words) == bool(line)


@pytest.mark.parametrize(
    ("brokers", "clusters", "wanted", "copies"),
    [
        (1, 1, None, AS_THE_CLUSTER),
        (2, 1, None, AS_THE_CLUSTER),
        (3, 1, None, 3),
        (3, None, None, 3),  # no right to ask
        (5, 5, None, AS_THE_CLUSTER),
        (3, 1, 1, 1),  # as set
        (1, 1, 2, 2),  # refused by the cluster, which is told
    ],
)
def test_copies_of_a_new_topic(brokers: int, clusters: int | None, wanted: int | None, copies: int) -> None:
    assert copies_of_new_topic(brokers, clusters, wanted) == copies
