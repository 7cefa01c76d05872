"""Partitions that were added to the topics: they count for every lane's gap until they are read to where they ended
when they were first seen.

They are looked for at the start and whenever a gap is to be passed, so that none that was there by then is overlooked.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from processing.domain.positions import Partition
from processing.postgres import added_partitions as rows

TIMEOUT_S = 5.0
LOOK_EVERY_S = 1.0  # while one is to be read

log = structlog.get_logger(__name__)


class AddedPartitions:
    """Of these topics, by a client (of the group, no member) for questions."""

    def __init__(self, asker: Consumer, topics: Sequence[str]) -> None:
        self._asker = asker
        self._topics = list(topics)
        self._unread = False
        self._next_look = 0.0

    def any_unread(self) -> bool:
        """Whether one that was added is not read far enough yet. If Kafka does not say, it may be so."""
        try:
            self._unread = bool(self._look())
        except KafkaException as error:
            log.warning("Kafka does not name the partitions; no gap is passed until it does", error=str(error))
            self._unread = True
        self._next_look = time.monotonic() + LOOK_EVERY_S
        return self._unread

    def look_again(self) -> None:
        """While one is to be read, note when it is: gaps of files and of lost partitions wait for that too."""
        if self._unread and time.monotonic() >= self._next_look:
            self.any_unread()

    def _look(self) -> Mapping[Partition, int]:
        """Those that are to be read, and how far."""
        there = self._there()
        known = rows.known_partitions(self._topics)
        gone = set(known).difference(there)
        if gone:  # of a topic that was made anew with fewer: should they come again, they are added ones
            rows.forget_partitions(gone)
        topics = {topic for topic, _ in known}
        new = [key for key in there if key not in known]
        first = {key: 0 for key in new if key[0] not in topics}
        if first:
            rows.note_partitions(first, reached=True)
        added = {key: self._end(key) for key in new if key[0] in topics}
        if added:
            log.info("partitions were added; no gap is passed before they are read so far", ends=_by_name(added))
            rows.note_partitions(added, reached=False)
        unread = {key: end for key, end in known.items() if end is not None and key in there} | added
        reached = self._reached(unread) if unread else set()
        if reached:
            rows.mark_reached(reached)
        return {key: end for key, end in unread.items() if key not in reached}

    def _there(self) -> set[Partition]:
        found: set[Partition] = set()
        for name in self._topics:
            topic = self._asker.list_topics(name, timeout=TIMEOUT_S).topics[name]
            if topic.error is not None:
                raise KafkaException(topic.error)
            found.update((name, number) for number in topic.partitions)
        return found

    def _end(self, key: Partition) -> int:
        _, high = self._asker.get_watermark_offsets(TopicPartition(*key), timeout=TIMEOUT_S)
        return int(high)

    def _reached(self, unread: Mapping[Partition, int]) -> set[Partition]:
        """Those that the group has committed far enough, also when their log was made anew and ends before."""
        reached: set[Partition] = set()
        for each in self._asker.committed([TopicPartition(*key) for key in unread], timeout=TIMEOUT_S):
            key = each.topic, each.partition
            if each.offset >= unread[key] or max(each.offset, 0) >= self._end(key):
                reached.add(key)
        return reached


def _by_name(ends: Mapping[Partition, int]) -> dict[str, int]:
    return {f"{topic}/{number}": end for (topic, number), end in sorted(ends.items())}
