"""What the cluster says of topics and the group: rights, leaders, copies, members. Each question has a deadline."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from functools import cache, partial

import structlog
from confluent_kafka import ConsumerGroupState, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, TopicDescription
from django.conf import settings

from processing.domain.topic_states import PartitionState, TopicState, why_not_safe
from processing.kafka import troubles
from processing.kafka.clients import admin_config, asked_again, number_of, result_of
from processing.kafka.troubles import KafkaTrouble

TIMEOUT_S = 2.0
MIN_IN_SYNC = "min.insync.replicas"
MAX_BYTES = "max.message.bytes"
WITHOUT_MEMBERS = (ConsumerGroupState.EMPTY, ConsumerGroupState.DEAD)

log = structlog.get_logger(__name__)


def topic_states(names: Sequence[str], timeout_s: float = TIMEOUT_S) -> dict[str, TopicState]:
    """Raises `KafkaTrouble`, also for a topic that is not there, or not to be seen."""
    return asked_again(partial(_topic_states, names), timeout_s)


def _topic_states(names: Sequence[str], timeout_s: float) -> dict[str, TopicState]:
    admin = _admin()
    deadline = time.monotonic() + timeout_s
    asked = admin.describe_topics(
        TopicCollection(list(names)), include_authorized_operations=True, request_timeout=timeout_s
    )
    resources = {name: ConfigResource(ConfigResource.Type.TOPIC, name) for name in names}
    configs = admin.describe_configs(list(resources.values()), request_timeout=timeout_s)
    found: dict[str, TopicState] = {}
    for name, answer in asked.items():
        with troubles.explained(admin, topic=name):
            told = result_of(answer, deadline)
        found[name] = _state(name, told, number_of(configs[resources[name]], MIN_IN_SYNC, deadline))
    return found


def _state(name: str, told: TopicDescription, min_in_sync: int | None) -> TopicState:
    rights = told.authorized_operations
    return TopicState(
        name,
        [
            PartitionState(each.id, each.leader is not None and each.leader.id >= 0, len(each.isr), len(each.replicas))
            for each in told.partitions
        ],
        None if rights is None else frozenset(right.name for right in rights),  # the embedded broker tells none
        min_in_sync,
    )


def group_has_members(group: str, timeout_s: float = TIMEOUT_S) -> bool | None:
    """None when the cluster does not tell: the group has never been there, or this client may not describe it.

    All groups are listed for it: `describe_consumer_groups` ends the process by a failed assertion of librdkafka when
    the broker goes away and comes back. Raises `KafkaTrouble`.
    """
    return asked_again(partial(_group_has_members, group), timeout_s)


def _group_has_members(group: str, timeout_s: float) -> bool | None:
    admin = _admin()
    with troubles.explained(admin, group=group):
        listed = result_of(admin.list_consumer_groups(request_timeout=timeout_s), time.monotonic() + timeout_s)
        if listed.errors and not listed.valid:  # no broker answered: that is no answer of Kafka's
            raise KafkaException(listed.errors[0])
    states = [each.state for each in listed.valid if each.group_id == group]
    return states[0] not in WITHOUT_MEMBERS if states else None


def unsafe_topics(names: Sequence[str], timeout_s: float = TIMEOUT_S) -> list[str]:
    """A line for each of these topics that has fewer copies than it should; those that are not there are left out.

    Raises `KafkaTrouble`.
    """
    admin = _admin()
    with troubles.explained(admin):
        cluster = admin.list_topics(timeout=timeout_s)
    states = topic_states([name for name in names if name in cluster.topics], timeout_s)
    return [line for state in states.values() if (line := why_not_safe(state, len(cluster.brokers)))]


def warn_of_unsafe_topics(names: Sequence[str]) -> None:
    """For a process that starts: it goes on in any case."""
    try:
        lines = unsafe_topics(names)
    except KafkaTrouble as error:
        lines = [f"how many copies the topics have is not known: {error}"]
    for line in lines:
        log.warning(line)


def max_message_bytes(topic: str, timeout_s: float = TIMEOUT_S) -> int | None:
    """Of a batch of the topic's messages, compressed and framed; None where the cluster does not tell. Raises
    `KafkaTrouble` when it does not answer at all."""
    admin = _admin()
    with troubles.explained(admin):
        admin.list_topics(timeout=timeout_s)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    config = admin.describe_configs([resource], request_timeout=timeout_s)[resource]
    return number_of(config, MAX_BYTES, time.monotonic() + timeout_s)


def _admin() -> AdminClient:
    return _admin_of(os.getpid(), str(settings.KAFKA_CLIENT_CONFIG["bootstrap.servers"]))


@cache
def _admin_of(pid: int, servers: str) -> AdminClient:
    """One for each process."""
    return AdminClient(admin_config())
