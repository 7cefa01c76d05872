"""Whether the log is read to its end, for `--once`: that is its high watermark, open transactions included."""

from __future__ import annotations

import time
from collections.abc import Sequence

import structlog
from confluent_kafka import KafkaException

from processing.consumer.gaps import AskEnd
from processing.consumer.partitions import Key, Partitions
from processing.kafka.open_transactions import open_transactions

ASK_EVERY_S = 0.5
TELL_EVERY_S = 10.0

log = structlog.get_logger(__name__)


class LogEnd:
    """Of the partitions that are assigned now. It asks Kafka only when there seems to be nothing left."""

    def __init__(self, partitions: Partitions, ask_end: AskEnd) -> None:
        self._partitions = partitions
        self._ask_end = ask_end
        self._next_question = 0.0
        self._told_until = 0.0

    def is_reached(self) -> bool:
        """Whether all of them are read to their ends, and that is committed. Names the transactions that it awaits."""
        ends = {p.key: p.end for p in self._partitions if p.end is not None and p.committed == p.end}
        if not ends or len(ends) < len(self._partitions.assigned()) or time.monotonic() < self._next_question:
            return False
        behind = [key for key, end in ends.items() if (high := self._ask_end(key)) is None or high > end]
        if behind:
            self._next_question = time.monotonic() + ASK_EVERY_S
            self._tell(behind)
        return not behind

    def _tell(self, behind: Sequence[Key]) -> None:
        if time.monotonic() < self._told_until:
            return
        try:
            found = open_transactions(behind)
        except KafkaException as error:
            log.warning("Kafka did not say what holds up the end of the log", error=str(error))
            return
        for each in found:
            self._told_until = time.monotonic() + TELL_EVERY_S
            log.warning(
                "waiting for an open transaction: what stands behind it cannot be read before it ends",
                topic=each.topic,
                partition=each.partition,
                offset=each.offset,
                since=None if each.since is None else each.since.isoformat(timespec="milliseconds"),
            )
