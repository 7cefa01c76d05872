"""Where each partition is read on: decided here, not by the client, which would jump over what the log lost in silence.

It is decided when a partition is assigned, when the log turns out to be shorter or younger than what is to be read
next, and when the topic has another id. What is gone is recorded in the transaction that moves the position past it.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from threading import Event as Flag

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage
from django.conf import settings

from processing.consumer.partitions import Key, Partition, Partitions
from processing.domain.away import StoppedError, retry_while_away
from processing.domain.log_positions import LogState, Lost, Placement, StoredPosition, place
from processing.kafka.clients import ensure_topics
from processing.kafka.log_state import log_states, with_exact_ends
from processing.kafka.topic_ids import TopicIds
from processing.kafka.troubles import reason
from processing.postgres.log_positions import lock_positions, write_positions
from processing.postgres.losses import add_losses
from processing.postgres.transaction import close_connection, transaction, why_postgres_is_away

CUT = (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._LOG_TRUNCATION)
ANOTHER_ID = (KafkaError.UNKNOWN_TOPIC_ID, KafkaError.INCONSISTENT_TOPIC_ID)

log = structlog.get_logger(__name__)


class Placing:
    """For the thread that polls. `assign` is called from within a poll, when partitions are assigned."""

    def __init__(
        self, consumer: Consumer, partitions: Partitions, topics: Sequence[str], group: str, stop: Flag
    ) -> None:
        self._consumer = consumer
        self._partitions = partitions
        self._topics = topics
        self._group = group
        self._stop = stop
        self._ids = TopicIds(topics)

    def assign(self, keys: Collection[Key]) -> None:
        """Take these partitions over, each from where it is to be read on; waits for Kafka and Postgres."""
        try:
            placed = self._place(keys)
        except StoppedError:
            self._partitions.assign(keys)  # nobody reads them any more
            return
        self._enter(placed)
        if settings.KAFKA_GROUP_PROTOCOL == "consumer":
            self._consumer.incremental_assign(self._next_of(placed))
        else:
            self._consumer.assign(self._next_of(placed))

    def note(self, polled: KafkaMessage, error: KafkaError) -> bool:
        """Whether the error says that the log is not what it was; `step` sees to it."""
        if error.code() in ANOTHER_ID or error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            self._ids.doubt()
        if error.code() not in CUT:
            return error.code() in ANOTHER_ID
        topic, number = polled.topic(), polled.partition()
        partition = None if topic is None or number is None else self._partitions.find((topic, number))
        if partition is not None:
            partition.truncated = "truncation" in error.str().lower()
            self._doubt(partition, error.str())
        return True

    def step(self) -> None:
        """Decide anew for partitions whose log is another one or has been cut, once all that was read is done."""
        ids = self._ids.follow()
        if self._ids.missing:
            self._make_topics()
        for partition in self._partitions:
            now = ids.get(partition.key[0])
            if now and partition.topic_id and now != partition.topic_id:
                self._doubt(partition, "the topic has another id")
        doubtful = [partition for partition in self._partitions if partition.doubtful and partition.is_idle()]
        if doubtful:
            self._place_again(doubtful)

    def _make_topics(self) -> None:
        log.warning("a topic is not there, making it", topics=sorted(self._ids.missing))
        try:
            ensure_topics(self._topics)
        except KafkaException as error:
            log.warning("the topic was not made, it is tried again", error=reason(error))
        else:
            self._ids.doubt()  # it has an id now
        self._ids.missing.clear()  # until they are asked for again

    def _doubt(self, partition: Partition, why: str) -> None:
        if partition.doubtful:
            return
        partition.doubtful = True
        self._consumer.pause([TopicPartition(*partition.key)])
        partition.paused = True
        topic, number = partition.key
        log.warning(
            "the log is not what it was; where to read on is decided anew", topic=topic, partition=number, why=why
        )

    def _place_again(self, partitions: Collection[Partition]) -> None:
        truncated = {partition.key for partition in partitions if partition.truncated}
        try:
            placed = self._place([partition.key for partition in partitions], truncated)
        except StoppedError:
            return
        self._partitions.revoke(placed)
        self._enter(placed)
        if settings.KAFKA_GROUP_PROTOCOL == "consumer":
            self._consumer.incremental_unassign([TopicPartition(*key) for key in placed])
            self._consumer.incremental_assign(self._next_of(placed))
            return
        # one that the client gave up on cannot be sought, and this protocol assigns all partitions or none
        self._consumer.assign(self._next_of(self._partitions.assigned()))
        for partition in self._partitions:
            partition.paused = True  # as those that went while they were

    def _next_of(self, keys: Iterable[Key]) -> list[TopicPartition]:
        """These partitions, each with the offset that is to be read next."""
        found = [partition for key in keys if (partition := self._partitions.find(key)) is not None]
        return [TopicPartition(*each.key, each.start if each.polled is None else each.polled) for each in found]

    def _enter(self, placed: Mapping[Key, Placement]) -> None:
        now = time.monotonic()
        self._partitions.assign(placed)
        for key, each in placed.items():
            partition = self._partitions.find(key)
            assert partition is not None
            partition.topic_id, partition.start = each.position.topic_id, each.start
            partition.gaps.note_held(now, each.position.next, 0)  # whoever read it
            partition.generation = each.position.generation  # last: now the commit stage may look at its gaps

    def _place(self, keys: Collection[Key], truncated: Collection[Key] = ()) -> dict[Key, Placement]:
        """Raises `StoppedError`."""
        if not keys:
            return {}
        placed = retry_while_away(lambda: self._place_once(keys, truncated), _why_away, stop=self._stop)
        close_connection()  # this thread does not need it until the next time
        for key, each in placed.items():
            if each.lost is not None:
                _tell(key, each.lost)
        return placed

    def _place_once(self, keys: Collection[Key], truncated: Collection[Key]) -> dict[Key, Placement]:
        ensure_topics(self._topics)
        looked_at = time.monotonic()
        logs = log_states(self._group, keys, self._ids.ask())
        with transaction() as cursor:
            stored = lock_positions(cursor, keys)
        logs |= with_exact_ends(self._group, {key: log for key, log in logs.items() if _is_short(log, stored.get(key))})
        age_s = time.monotonic() - looked_at
        with transaction() as cursor:
            stored = lock_positions(cursor, keys)
            placed = {key: place(stored.get(key), logs[key], truncated=key in truncated) for key in keys}
            write_positions(cursor, {key: each.position for key, each in placed.items()})
            add_losses(cursor, [(key, each.lost) for key, each in placed.items() if each.lost is not None], age_s=age_s)
        return placed


def _is_short(log: LogState, stored: StoredPosition | None) -> bool:
    """Whether it seems to end before what was read, which the embedded broker's ends do: they are told too low."""
    return log.end < max(log.committed or 0, stored.next if stored is not None else 0)


def _tell(key: Key, lost: Lost) -> None:
    topic, partition = key
    log.error(
        "messages left the log before they were read: see manage.py pipeline_status",
        topic=topic,
        partition=partition,
        first=lost.first,
        last=lost.last,
        why=lost.why.label,
    )


def _why_away(error: Exception) -> str | None:
    if isinstance(error, KafkaException):
        return "Kafka does not say where the partitions begin and end, waiting for it"
    return why_postgres_is_away(error)
