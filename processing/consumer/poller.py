"""The Kafka side of the consumer: poll, hand over, commit, and give partitions back when asked to.

Offsets are committed here alone, and only up to what the stages say is done.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Sequence
from functools import partial
from threading import Event as Flag
from threading import Thread

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from processing.consumer.added_partitions import AddedPartitions
from processing.consumer.batch import Batch, position_of, read_messages
from processing.consumer.gathering import LEAST_S, MOST_S, gather_s
from processing.consumer.log_end import LogEnd
from processing.consumer.membership import Membership
from processing.consumer.partitions import Key, Partitions
from processing.consumer.placing import Placing
from processing.consumer.poll_errors import REFUSED, passes, refused_setting, tell
from processing.consumer.processor import Processor
from processing.domain.away import StoppedError, retry_while_away
from processing.domain.process import PartitionLag
from processing.kafka import clients
from processing.kafka.cluster import warn_of_unsafe_topics
from processing.kafka.troubles import reason
from processing.postgres.ready import wait_for_migrations
from processing.postgres.transaction import close_connection, retry_transient

POLL_S = 0.05
FULL_S = 1.0  # after this long without room partitions are paused; polling goes on, to stay in the group
REVOKE_S = 5.0  # batches in hand may take this long before partitions are given back
FINISH_S = 8.0
BATCH_BYTES = 8 * 2**20  # large messages make smaller batches
COMMIT_TIMEOUT_S = 2.0  # at the end; Kafka's answer to a commit may take a minute while a broker hangs
CLOSE_TIMEOUT_S = 2.0  # librdkafka's close waits without limit for a broker that is away
WATERMARK_TIMEOUT_S = 2.0

log = structlog.get_logger(__name__)
librdkafka_log = logging.getLogger(__name__)  # confluent-kafka calls it with a level and %-arguments: no structlog


class Poller:
    def __init__(self, topics: Sequence[str], group: str, batch_size: int, stop: Flag) -> None:
        self._topics = list(topics)
        self._batch_size = batch_size
        self._stop = stop
        self._consumer = Consumer(
            clients.consumer_config(group, tell), on_commit=self._on_commit, logger=librdkafka_log
        )
        # A client's calls wait for each other, and polls follow each other at once: questions need their own client.
        self._asker = Consumer({**clients.asking_config("eventsite-consumer", group), "error_cb": tell})
        self._partitions = Partitions()
        self.membership = Membership(group)
        self._placing = Placing(self._consumer, self._partitions, self._topics, group, stop)
        self._added = AddedPartitions(self._asker, self._topics)
        self._log_end = LogEnd(self._partitions, self._ask_end)
        self._stages = Processor(self._partitions, self._ask_end, self._added, stop).stages
        self._in_hand: deque[Batch] = deque()
        self._unanswered = 0  # commits that Kafka has not answered yet
        self._average_bytes = 1.0
        self._gather_s = LEAST_S

    def run(self, *, once: bool = False) -> bool:
        """Consume until stopped; `once`: until everything that the log holds is done. Returns whether it is."""
        drained = False
        try:
            self._prepare()
        except StoppedError:
            return drained
        self._consumer.subscribe(self._topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)
        self.membership.subscribed()
        self._stages.start()
        log.info("consuming", topics=self._topics)
        try:
            while not self._stop.is_set() and not drained:
                self._step()
                drained = once and self._is_through() and self._log_end.is_reached()
            self._stages.finish(FINISH_S)
            self._commit_in_time()
        finally:
            self._stop.set()
            self._close()
        self._raise_failure()
        log.info("stopped", topics=self._topics)
        return drained

    def lags(self) -> list[PartitionLag]:
        """How far behind each of its partitions is, as another thread sees it."""
        return [partition.lag() for partition in self._partitions]

    def _raise_failure(self) -> None:
        failure = self._stages.failure
        if isinstance(failure, StoppedError):
            log.warning("stopped with work in hand, it will be read again", reason=str(failure))
        elif failure is not None:
            raise failure

    def _prepare(self) -> None:
        """Wait for the cluster and the migrations. Raises `StoppedError`."""
        make_topics = partial(clients.ensure_topics, self._topics)
        retry_while_away(make_topics, _why_kafka_is_away, stop=self._stop, first_wait_s=1.0)
        warn_of_unsafe_topics(self._topics)
        wait_for_migrations(self._stop)
        retry_transient(self._added.any_unread, self._stop)
        close_connection()  # this thread no longer needs it

    def _step(self) -> None:
        """One round: hand over the batches in hand, else poll for more; commit what is done."""
        if self._in_hand:
            self._hand_over(POLL_S)
        else:
            self._resume()
            self._poll(POLL_S)
        self._commit()
        self._placing.step()
        self.membership.polled()

    def _poll(self, timeout_s: float) -> None:
        """As one batch: what comes first within `timeout_s`, and what follows it soon, or while the stages are busy."""
        room = max(1, min(self._batch_size, int(BATCH_BYTES / self._average_bytes)))
        started = time.monotonic()
        batch = self._take(Batch(), 1, timeout_s)
        until = time.monotonic() + MOST_S
        if batch.positions and len(batch) < room:
            batch = self._take(batch, room - len(batch), self._gather_s)
        while batch.positions and len(batch) < room and not self._stages.is_free() and time.monotonic() < until:
            batch = self._take(batch, room - len(batch), LEAST_S)
        self._gather_s = gather_s(len(batch), time.monotonic() - started)
        for partition in batch.positions:
            _, high = self._consumer.get_watermark_offsets(TopicPartition(*partition.key), cached=True)
            partition.fetched_end = int(high)
        if batch.positions:
            self._in_hand.append(batch)

    def _take(self, batch: Batch, most: int, timeout_s: float) -> Batch:
        """The batch with what comes in time, and without what it had of partitions that went meanwhile."""
        polled = self._consumer.consume(most, timeout_s)
        messages = [message for message in polled if message.error() is None or self._is_end(message)]
        if messages:
            size = sum(len(message) for message in messages)
            self._average_bytes = max(size / len(messages), self._average_bytes * 0.9, 1.0)
        return read_messages(messages, self._partitions, batch.without_revoked())

    def _is_end(self, message: KafkaMessage) -> bool:
        """Whether a message with an error is the end of a partition. Logs other errors, and raises fatal ones."""
        error = message.error()
        assert error is not None
        if error.code() == KafkaError._PARTITION_EOF:
            topic, number, offset = position_of(message)
            partition = self._partitions.find((topic, number))
            if partition is not None:
                partition.end = offset
            return True
        if self._placing.note(message, error):
            return False
        if error.code() in REFUSED:
            self.membership.refused(error, message.topic())
        elif passes(error):
            log.warning("Kafka is in trouble, polling on", error=reason(error))
        else:
            raise refused_setting(error) or KafkaException(error)
        return False

    def _hand_over(self, timeout_s: float) -> None:
        deadline = time.monotonic() + FULL_S
        while self._in_hand and self._stages.offer(self._in_hand[0], timeout_s):
            self._in_hand.popleft()
            deadline = time.monotonic() + FULL_S
        if not self._in_hand or self._stop.is_set():
            return
        while self._in_hand and not self._stop.is_set() and time.monotonic() < deadline:
            self._commit()
            if self._stages.offer(self._in_hand[0], timeout_s):
                self._in_hand.popleft()
                return
        self._pause()
        self._poll(0.0)

    def _pause(self) -> None:
        if not any(partition.paused for partition in self._partitions):
            log.info("the stages are busy; polling only to stay in the group")
        self._consumer.pause([TopicPartition(*key) for key in self._partitions.assigned()])  # all: one may be new
        for partition in self._partitions:
            partition.paused = True

    def _resume(self) -> None:
        paused = [partition for partition in self._partitions if partition.paused and not partition.doubtful]
        if paused:
            self._consumer.resume([TopicPartition(*partition.key) for partition in paused])
            for partition in paused:
                partition.paused = False

    # --- partitions come and go; called from within a poll ---

    def _assigned(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        keys = _keys(partitions)
        log.info("got partitions", partitions=_by_topic(keys))
        self._placing.assign(keys)
        self.membership.assigned()

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        log.info("giving partitions back", partitions=_by_topic(_keys(partitions)))
        deadline = time.monotonic() + REVOKE_S
        while not self._is_idle() and time.monotonic() < deadline and not self._stop.is_set():
            if self._in_hand and self._stages.offer(self._in_hand[0], POLL_S):
                self._in_hand.popleft()
            elif not self._in_hand:
                time.sleep(POLL_S / 5)
        self._commit()  # librdkafka lets the partitions go only when Kafka has answered; nobody has to wait here
        self._lost(consumer, partitions)

    def _lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self.membership.revoked()
        self._partitions.revoke(_keys(partitions))
        rest = [batch.without_revoked() for batch in self._in_hand]
        self._in_hand = deque(batch for batch in rest if batch.positions)

    def _is_idle(self) -> bool:
        return not self._in_hand and self._stages.is_idle()

    def _is_through(self) -> bool:
        return not self._in_hand and self._stages.is_through()

    # --- offsets ---

    def _commit(self) -> None:
        """Commit what is done; `_on_commit` gets the answer, at a later poll."""
        news = [(p, p.done) for p in self._partitions if p.done is not None and p.done != p.committed]
        if not news:
            return
        offsets = [TopicPartition(*partition.key, offset) for partition, offset in news]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            log.warning("offsets were not committed; what they cover is known and changes nothing", error=str(error))
        else:
            for partition, offset in news:
                partition.committed = offset
            self._unanswered += 1

    def _commit_in_time(self) -> None:
        """Commit, and wait for the answers, COMMIT_TIMEOUT_S at most. Messages polled meanwhile are read again."""
        self._commit()
        deadline = time.monotonic() + COMMIT_TIMEOUT_S
        while self._unanswered and time.monotonic() < deadline:
            self._consumer.poll(POLL_S)
        if self._unanswered:
            log.warning("Kafka did not answer the last commits in time", within_s=COMMIT_TIMEOUT_S)

    def _close(self) -> None:
        """Leave the group, if the broker answers in time."""
        closing = [Thread(target=each.close, name="kafka close", daemon=True) for each in (self._consumer, self._asker)]
        for thread in closing:
            thread.start()
        deadline = time.monotonic() + CLOSE_TIMEOUT_S
        for thread in closing:
            thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in closing):
            log.warning("ended without Kafka's leave: its group waits for us until the session times out")

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        self._unanswered -= 1
        for each in partitions:
            if problem := error or each.error:
                where = {"topic": each.topic, "partition": each.partition}
                log.warning("an offset was not committed, trying again", **where, error=str(problem))
                partition = self._partitions.find((each.topic, each.partition))
                if partition is not None:
                    partition.committed = None

    # --- the ends of the log, asked for by the commit stage ---

    def _ask_end(self, key: Key) -> int | None:
        try:
            _, high = self._asker.get_watermark_offsets(TopicPartition(*key), timeout=WATERMARK_TIMEOUT_S)
        except KafkaException as error:
            log.warning("Kafka did not say where the log ends; no gap is passed until it does", error=str(error))
            return None
        return int(high)


def _why_kafka_is_away(error: Exception) -> str | None:
    return "Kafka is away" if isinstance(error, KafkaException) else None


def _keys(partitions: Sequence[TopicPartition]) -> list[Key]:
    return [(partition.topic, partition.partition) for partition in partitions]


def _by_topic(keys: Sequence[Key]) -> dict[str, list[int]]:
    return {name: [number for topic, number in keys if topic == name] for name in dict.fromkeys(t for t, _ in keys)}
