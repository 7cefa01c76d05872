"""The Kafka side of the consumer: poll, hand over, commit, and give partitions back when asked to.

Offsets are committed here alone, and only up to what the pipeline says is done.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from threading import Event as Flag
from threading import Thread

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage
from django.conf import settings
from django.db import connection

from processing import kafka
from processing.consumer.batch import Batch, Partition, place_of, read_batch
from processing.consumer.gaps import GapWatch
from processing.consumer.pipeline import Pipeline
from processing.migrations_check import has_migrations
from processing.transactions import StoppedError, once_fit

POLL_S = 0.05
FULL_S = 1.0  # after this long without room the partitions are paused, and polling goes on to stay in the group
REVOKE_S = 5.0  # what is in hand may take this long before partitions are given back
FINISH_S = 8.0
BATCH_BYTES = 8 * 2**20  # large messages make smaller batches
COMMIT_TIMEOUT_S = 2.0  # at the end; Kafka's answer to a commit may take a minute while a broker hangs
CLOSE_TIMEOUT_S = 2.0  # librdkafka's close waits without limit for a broker that is away
WATERMARK_TIMEOUT_S = 5.0
# What polling on gets over, beside what says so of itself: the last when the process was frozen for minutes.
PASSING = (
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TRANSPORT,
    KafkaError._TIMED_OUT,
    KafkaError._RESOLVE,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError._MAX_POLL_EXCEEDED,
)

log = structlog.get_logger(__name__)


class Intake:
    def __init__(self, topics: Sequence[str], group: str, batch_size: int, stop: Flag) -> None:
        self._topics = list(topics)
        self._batch_size = batch_size
        self._stop = stop
        self._consumer = Consumer(kafka.consumer_config(group, _on_error), on_commit=self._on_commit)
        # A client's calls wait for each other, and a poll leaves the next one no room: asking needs one of its own.
        self._asker = Consumer(kafka.consumer_config(group, _on_error))
        self._seen_ends: dict[Partition, int] = {}  # that came with the last fetch
        self._gaps = GapWatch(settings.SEQUENCE_GAP_TIMEOUT_MS / 1000, self._ask_end, self._seen_end)
        self._pipeline = Pipeline(self._gaps, stop)
        self._in_hand: deque[Batch] = deque()
        self._committed: dict[Partition, int] = {}
        self._unanswered = 0  # commits that Kafka has not answered yet
        self._ends: dict[Partition, int] = {}  # where the log ended when its end was last reached
        self._paused: set[Partition] = set()
        self._average_bytes = 1.0

    def run(self, *, once: bool = False) -> None:
        """Consume until stopped; `once`: until everything that the log holds is done."""
        if not self._prepare():
            return
        self._consumer.subscribe(self._topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)
        self._pipeline.start()
        log.info("consuming", topics=self._topics)
        try:
            while not self._stop.is_set() and not (once and self._drained()):
                self._step()
            self._pipeline.finish(FINISH_S)
            self._commit_in_time()
        finally:
            self._stop.set()
            self._close()
        if self._pipeline.failure is not None:
            raise self._pipeline.failure
        log.info("stopped", topics=self._topics)

    def _prepare(self) -> bool:
        """Wait for the cluster and the migrations; False when stopped meanwhile."""
        with suppress(StoppedError):
            while not self._stop.is_set():
                if self._make_topics() and once_fit(has_migrations, self._stop):
                    connection.close()  # this thread needs it no more
                    return True
                self._stop.wait(1.0)
        return False

    def _make_topics(self) -> bool:
        """Whether the topics are there now."""
        try:
            kafka.ensure_topics(self._topics)
        except KafkaException as error:
            log.warning("Kafka is away, waiting for it", error=str(error))
            return False
        return True

    def _step(self) -> None:
        """One round: hand over what is in hand, else poll for more; commit what is done."""
        if self._in_hand:
            self._hand_over(POLL_S)
        else:
            self._resume()
            self._poll(POLL_S)
        self._commit()

    def _poll(self, timeout_s: float) -> None:
        room = max(1, min(self._batch_size, int(BATCH_BYTES / self._average_bytes)))
        messages = [message for message in self._consumer.consume(room, timeout_s) if self._is_news(message)]
        if messages:
            batch = read_batch(messages)
            self._note_ends(batch.positions)
            self._in_hand.append(batch)
            size = sum(len(message) for message in messages)
            self._average_bytes = max(size / len(messages), self._average_bytes * 0.9, 1.0)

    def _is_news(self, message: KafkaMessage) -> bool:
        """Whether it is a message or the end of a partition; errors are told, and those that are final raised."""
        error = message.error()
        if error is None:
            return True
        if error.code() == KafkaError._PARTITION_EOF:
            topic, partition, offset = place_of(message)
            self._ends[topic, partition] = offset
            return True
        if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            log.warning("a topic is missing, making it", error=error.str())
            self._make_topics()
        elif error.retriable() or error.code() in PASSING:
            log.warning("Kafka is in trouble, polling on", error=error.str())
        else:
            raise KafkaException(error)
        return False

    def _hand_over(self, timeout_s: float) -> None:
        deadline = time.monotonic() + FULL_S
        while self._in_hand and self._pipeline.offer(self._in_hand[0], timeout_s):
            self._in_hand.popleft()
            deadline = time.monotonic() + FULL_S
        if not self._in_hand or self._stop.is_set():
            return
        while self._in_hand and not self._stop.is_set() and time.monotonic() < deadline:
            self._commit()
            if self._pipeline.offer(self._in_hand[0], timeout_s):
                self._in_hand.popleft()
                return
        self._pause()
        self._poll(0.0)

    def _pause(self) -> None:
        if not self._paused:
            log.info("the stages are busy; polling only to stay in the group")
        assignment = self._consumer.assignment()
        self._consumer.pause(assignment)  # again each time: an assignment may have come
        self._paused.update(_keys(assignment))

    def _resume(self) -> None:
        """Let paused partitions go on, also one that went to another consumer paused, when it comes back: librdkafka
        keeps it paused."""
        if self._paused:
            ours = [p for p in self._consumer.assignment() if (p.topic, p.partition) in self._paused]
            self._consumer.resume(ours)
            self._paused.difference_update(_keys(ours))

    # --- partitions come and go; called from within a poll ---

    def _assigned(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        keys = _keys(partitions)
        log.info("got partitions", partitions=_by_topic(keys))
        self._forget(keys)
        self._gaps.assigned(keys, time.monotonic())

    def _revoked(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        keys = _keys(partitions)
        log.info("giving partitions back", partitions=_by_topic(keys))
        deadline = time.monotonic() + REVOKE_S
        while not self._is_idle() and time.monotonic() < deadline and not self._stop.is_set():
            if self._in_hand and self._pipeline.offer(self._in_hand[0], POLL_S):
                self._in_hand.popleft()
            elif not self._in_hand:
                time.sleep(POLL_S / 5)
        self._commit()  # librdkafka lets the partitions go only when Kafka has answered; nobody has to wait here
        self._lost(_consumer, partitions)

    def _lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        keys = _keys(partitions)
        lost = set(keys)
        rest = [batch.without(lost) for batch in self._in_hand]
        self._in_hand = deque(batch for batch in rest if batch.positions)  # the stages pass over one that has none
        self._gaps.revoked(keys)
        self._forget(keys)

    def _forget(self, keys: list[Partition]) -> None:
        self._pipeline.forget(keys)
        for key in keys:
            self._committed.pop(key, None)
            self._ends.pop(key, None)

    def _is_idle(self) -> bool:
        return not self._in_hand and self._pipeline.is_empty()

    # --- offsets ---

    def _commit(self) -> None:
        """Commit what is done; `_on_commit` gets the answer, at a later poll."""
        done = self._pipeline.done()
        news = {key: offset for key, offset in done.items() if self._committed.get(key) != offset}
        if not news:
            return
        offsets = [TopicPartition(topic, partition, offset) for (topic, partition), offset in news.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            log.warning("offsets were not committed; what they cover is known and changes nothing", error=str(error))
        else:
            self._committed |= news
            self._unanswered += 1

    def _commit_in_time(self) -> None:
        """Commit, and wait for the answers as long as a stop may take. What is polled meanwhile is read again."""
        self._commit()
        deadline = time.monotonic() + COMMIT_TIMEOUT_S
        while self._unanswered and time.monotonic() < deadline:
            self._consumer.poll(POLL_S)
        if self._unanswered:
            log.warning("Kafka did not answer the last commits in time", within_s=COMMIT_TIMEOUT_S)

    def _close(self) -> None:
        """Leave the group, if that is possible in time."""
        closing = [
            Thread(target=client.close, name="kafka close", daemon=True) for client in (self._consumer, self._asker)
        ]
        for thread in closing:
            thread.start()
        deadline = time.monotonic() + CLOSE_TIMEOUT_S
        for thread in closing:
            thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in closing):
            log.warning("ended without Kafka's leave: its group waits for us until the session times out")

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        self._unanswered -= 1
        for partition in partitions:
            problem = error or partition.error
            if problem is not None:
                log.warning(
                    "an offset was not committed, trying again",
                    topic=partition.topic,
                    partition=partition.partition,
                    error=str(problem),
                )
                self._committed.pop((partition.topic, partition.partition), None)

    def _drained(self) -> bool:
        """Every assigned partition has been read to its end, and that end is committed."""
        assigned = _keys(self._consumer.assignment())
        return (
            bool(assigned)
            and self._is_idle()
            and all(key in self._ends and self._committed.get(key) == self._ends[key] for key in assigned)
        )

    def _note_ends(self, partitions: Iterable[Partition]) -> None:
        for key in partitions:
            _, high = self._consumer.get_watermark_offsets(TopicPartition(*key), cached=True)
            self._seen_ends[key] = int(high)

    # --- the ends of the log, asked for by the Postgres stage ---

    def _ask_end(self, partition: Partition) -> int | None:
        try:
            _, high = self._asker.get_watermark_offsets(TopicPartition(*partition), timeout=WATERMARK_TIMEOUT_S)
        except KafkaException as error:
            log.warning("Kafka did not say where the log ends; no gap is passed until it does", error=str(error))
            return None
        return int(high)

    def _seen_end(self, partition: Partition) -> int:
        return self._seen_ends.get(partition, 0)


def _keys(partitions: Sequence[TopicPartition]) -> list[Partition]:
    return [(partition.topic, partition.partition) for partition in partitions]


def _by_topic(keys: Sequence[Partition]) -> dict[str, list[int]]:
    return {name: [number for topic, number in keys if topic == name] for name in dict.fromkeys(t for t, _ in keys)}


def _on_error(error: KafkaError) -> None:
    log.warning("Kafka client", error=error.str())
