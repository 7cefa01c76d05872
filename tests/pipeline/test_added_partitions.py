"""Partitions that are added while the pipeline runs: they are read, and no lane gives up before."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewPartitions

from tests.pipeline.log import ANSWER_S
from tests.pipeline.stack import PARTITIONS, Stack, only_on_real_kafka
from tests.support.factories import envelope

pytestmark = [pytest.mark.pipeline, only_on_real_kafka("Tansu adds no partitions")]
READ_WITHIN_S = 30  # as the docs say


def add_partitions(stack: Stack, total: int) -> None:
    admin = AdminClient({"bootstrap.servers": stack.kafka})
    for added in admin.create_partitions([NewPartitions(stack.topic.name, total)]).values():
        added.result(ANSWER_S)


def write(stack: Stack, id: str, seq: int, partition: int, user: str = "u-1") -> None:
    """As often as it takes: a partition that was just added may be unknown, or without a leader."""
    producer = Producer({"bootstrap.servers": stack.kafka})
    value, answers = envelope(id, user_id=user, seq=seq), list[KafkaError | None]()

    def written() -> bool:
        try:
            producer.produce(
                stack.topic.name, value, user.encode(), partition, on_delivery=lambda error, _: answers.append(error)
            )
        except KafkaException as error:
            answers.append(error.args[0])
        assert producer.flush(ANSWER_S) == 0
        return answers[-1] is None

    stack.wait_until(written, f"{id} is written")


def wait_until_known(stack: Stack, partitions: int) -> None:
    def known() -> bool:
        found = stack.value("SELECT count(*) FROM processing_addedpartition WHERE topic = %s", stack.topic.name)
        return bool(found == partitions)

    stack.wait_until(known, f"{partitions} partitions are known")


def statuses(stack: Stack) -> dict[str, str]:
    return dict(stack.sql("SELECT id, status FROM processing_inboxevent"))


def unread(stack: Stack) -> int:
    return int(stack.value("SELECT count(*) FROM processing_addedpartition WHERE reached_at IS NULL"))


def test_a_seq_in_a_partition_that_was_added_is_no_gap(stack: Stack) -> None:
    stack.start("consumer")
    wait_until_known(stack, PARTITIONS)
    assert unread(stack) == 0, "those that came with the topic are not waited for"
    add_partitions(stack, PARTITIONS + 1)
    write(stack, "first", 1, PARTITIONS)
    write(stack, "second", 2, 0)
    stack.wait_until(lambda: "first" in statuses(stack), "the new partition is read", READ_WITHIN_S)
    stack.wait_until(lambda: set(statuses(stack).values()) == {"processed"}, "both took effect")
    stack.wait_until(lambda: stack.redis.lrange("order:u-1", 0, -1) == ["1", "2"], "the order list tells")
    assert stack.count("processing_passedgap") == 0
    stack.wait_until(lambda: unread(stack) == 0, "it is no longer waited for")

    write(stack, "fourth", 4, 0)
    stack.wait_until(lambda: statuses(stack).get("fourth") == "processed", "a true gap is passed")


def test_partitions_that_were_added_while_nobody_ran_count_too(stack: Stack) -> None:
    consumer = stack.start("consumer")
    wait_until_known(stack, PARTITIONS)
    consumer.terminate()
    add_partitions(stack, PARTITIONS + 2)
    write(stack, "second", 2, 0)
    write(stack, "first", 1, PARTITIONS + 1)
    stack.start("consumer")
    wait_until_known(stack, PARTITIONS + 2)
    stack.wait_until(lambda: set(statuses(stack).values()) == {"processed"} and len(statuses(stack)) == 2, "in order")
    stack.wait_until(lambda: stack.redis.lrange("order:u-1", 0, -1) == ["1", "2"], "the order list tells")
    stack.wait_until(lambda: unread(stack) == 0, "they are no longer waited for")
