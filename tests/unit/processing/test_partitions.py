"""Partitions that go and come back, and what is in hand of them. No broker: messages and assignments are given."""

from __future__ import annotations

import threading

import orjson
import pytest
from confluent_kafka import Consumer

from processing.consumer.added_partitions import AddedPartitions
from processing.consumer.batch import Batch
from processing.consumer.partitions import Partition, Partitions
from processing.consumer.processor import Processor
from processing.domain.messages import Message

FIRST, SECOND = ("events", 0), ("events", 1)


@pytest.fixture
def partitions() -> Partitions:
    made = Partitions()
    made.assign([FIRST, SECOND])
    return made


def one(partitions: Partitions, key: tuple[str, int]) -> Partition:
    found = partitions.find(key)
    assert found is not None
    return found


def batch_of(partitions: Partitions, *keys: tuple[str, int]) -> Batch:
    """An event and a message that cannot be read of each partition, at offsets 0 and 1."""
    batch = Batch()
    for topic, number in keys:
        event = {"id": f"e{number}", "userId": "u", "type": "t", "payload": {}, "timestamp": 1_790_000_000_000}
        batch.add(Message(topic, number, 0, None, orjson.dumps(event)))
        batch.add(Message(topic, number, 1, None, b"?"))
        batch.positions[one(partitions, (topic, number))] = 2
    return batch


def test_a_partition_that_goes_and_comes_back_is_a_new_object(partitions: Partitions) -> None:
    old = one(partitions, FIRST)
    old.stored = old.done = old.committed = old.end = 9
    old.paused = False
    partitions.revoke([FIRST])
    assert old.revoked
    assert partitions.find(FIRST) is None
    assert partitions.assigned() == (SECOND,)
    partitions.assign([FIRST])
    new = one(partitions, FIRST)
    assert new is not old
    assert new.gaps is not old.gaps
    assert (new.stored, new.done, new.committed, new.end) == (None, None, None, None)
    assert new.paused  # until the poll lets it go on
    assert not new.revoked


def test_one_that_goes_leaves_the_others_as_they_are(partitions: Partitions) -> None:
    other = one(partitions, SECOND)
    partitions.revoke([FIRST, ("events", 7)])  # the second was not ours
    assert list(partitions) == [other]
    assert not other.revoked


def test_partitions_may_go_while_they_are_looked_at(partitions: Partitions) -> None:
    seen = []
    for partition in partitions:
        partitions.revoke([FIRST, SECOND])
        seen.append(partition.key)
    assert seen == [FIRST, SECOND]


def test_a_batch_of_partitions_that_are_still_here_stays_as_it_is(partitions: Partitions) -> None:
    batch = batch_of(partitions, FIRST, SECOND)
    assert batch.without_revoked() is batch


@pytest.mark.parametrize("comes_back", [False, True])
def test_what_is_in_hand_of_a_partition_that_went_is_left_out(partitions: Partitions, comes_back: bool) -> None:
    batch = batch_of(partitions, FIRST, SECOND)
    partitions.revoke([FIRST])
    if comes_back:
        partitions.assign([FIRST])
    rest = batch.without_revoked()
    assert [(a.message.topic, a.message.partition) for a in rest.arrivals] == [SECOND]
    assert [(p.message.topic, p.message.partition) for p in rest.poisons] == [SECOND]
    assert rest.positions == {one(partitions, SECOND): 2}
    assert len(batch) == 4  # the batch itself is as it was


def test_a_batch_of_which_all_went_is_empty(partitions: Partitions) -> None:
    batch = batch_of(partitions, FIRST)
    partitions.revoke([FIRST])
    rest = batch.without_revoked()
    assert len(rest) == 0
    assert not rest.positions


def processor_of(partitions: Partitions) -> Processor:
    """Its clients have no broker: nothing here asks one."""
    added = AddedPartitions(Consumer({"group.id": "none"}), [])
    return Processor(partitions, lambda key: None, added, threading.Event())


@pytest.mark.parametrize("comes_back", [False, True])
def test_a_batch_that_waited_while_its_partition_went_is_neither_stored_nor_done(
    partitions: Partitions, comes_back: bool
) -> None:
    """Nor is it done for the partition that came back, which is read again from what was committed."""
    processor = processor_of(partitions)
    batch = batch_of(partitions, FIRST)
    old = one(partitions, FIRST)
    partitions.revoke([FIRST])
    if comes_back:
        partitions.assign([FIRST])
    assert list(processor._commit(batch)) == []  # no service is there: nothing was tried
    processor.stages._done(batch)
    assert old.stored is None
    assert [(each.stored, each.done) for each in partitions if each.key == FIRST] == [(None, None)] * comes_back


def test_a_batch_whose_partition_goes_when_it_is_stored_already_is_done_for_nobody(partitions: Partitions) -> None:
    processor = processor_of(partitions)
    batch = batch_of(partitions, FIRST)
    partitions.revoke([FIRST])
    partitions.assign([FIRST])
    processor.stages._done(batch)
    new = one(partitions, FIRST)
    assert (new.stored, new.done) == (None, None)


def test_the_ends_of_partitions_are_done_like_messages(partitions: Partitions) -> None:
    """A batch of nothing but an end moves the position: what was before it is done."""
    processor = processor_of(partitions)
    batch = Batch(positions={one(partitions, FIRST): 5})
    assert list(processor._commit(batch)) == []
    processor.stages._done(batch)
    assert (one(partitions, FIRST).stored, one(partitions, FIRST).done) == (5, 5)
    assert (one(partitions, SECOND).stored, one(partitions, SECOND).done) == (None, None)
