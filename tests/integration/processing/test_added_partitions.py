"""Which partitions are known: those that their topic has."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from confluent_kafka import Consumer

from processing.consumer.added_partitions import AddedPartitions
from processing.kafka.clients import asking_config
from processing.postgres.added_partitions import any_unreached, known_partitions, note_partitions

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_partition_that_is_no_more_is_forgotten_so_that_it_counts_as_added_when_it_comes_again(
    topics: Callable[..., str],
) -> None:
    topic = topics("events", partitions=2)  # made anew: it had four, one of them added and not yet read
    note_partitions({(topic, number): 0 for number in range(3)}, reached=True)
    note_partitions({(topic, 3): 7}, reached=False)
    asker = Consumer(asking_config("tests", topic))
    assert not AddedPartitions(asker, [topic]).any_unread()
    assert known_partitions([topic]) == {(topic, 0): None, (topic, 1): None}
    assert not any_unreached()
    asker.close()
