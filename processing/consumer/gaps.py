"""When a lane gives up on a missing seq: not by the clock alone, but by the end of the log.

A gap that is older than the timeout is passed once everything that stood in its partition at that moment is committed
to Postgres. A backlog, or a consumer that was away, is no gap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from processing.consumer.batch import Partition
from processing.postgres.due import Gap


@dataclass
class Target:
    """How far a partition must be stored. `confirmed`: the end is exact, see `GapWatch.passable`."""

    offset: int
    confirmed: bool = False


class GapWatch:
    """Follows the partitions that this consumer owns. The clock and the ends of the log are given to it.

    `ask_end` asks the broker (None: no answer), `seen_end` tells the end that came with the last fetch. A broker may
    answer the first too low, by less than the last batch of the log (the embedded one does); once that batch has been
    read, its fetch has told the exact end.
    """

    def __init__(
        self, timeout_s: float, ask_end: Callable[[Partition], int | None], seen_end: Callable[[Partition], int]
    ) -> None:
        self.timeout_s = timeout_s
        self._ask_end = ask_end
        self._seen_end = seen_end
        self._owned_since: dict[Partition, float] = {}
        self._stored: dict[Partition, int] = {}
        self._targets: dict[tuple[str, int, Partition, float], Target] = {}

    def assigned(self, partitions: Iterable[Partition], now: float) -> None:
        for partition in partitions:
            self._owned_since[partition] = now
            self._stored.pop(partition, None)

    def revoked(self, partitions: Iterable[Partition]) -> None:
        for partition in partitions:
            self._owned_since.pop(partition, None)

    def owned(self) -> list[Partition]:
        return list(self._owned_since)

    def stored(self, positions: Mapping[Partition, int]) -> None:
        """Everything before these positions is committed to Postgres."""
        self._stored.update(positions)

    def passable(self, gaps: Iterable[Gap], now: float) -> dict[str, int]:
        """Of the gaps that are older than the timeout, those that can be passed now, as next seq by user."""
        found: dict[str, int] = {}
        targets: dict[tuple[str, int, Partition, float], Target] = {}
        asked: dict[Partition, int | None] = {}
        for gap in gaps:
            if gap.topic is None or gap.partition is None:
                continue
            partition = (gap.topic, gap.partition)
            since = self._owned_since.get(partition)
            if since is None or now - since < self.timeout_s:
                continue
            key = (gap.user_id, gap.next_seq, partition, since)  # an end of an earlier ownership is no end for this one
            target = self._targets.get(key)
            if target is None:
                if partition not in asked:
                    asked[partition] = self._ask_end(partition)
                end = asked[partition]
                if end is None:
                    continue
                target = Target(end)
            targets[key] = target
            if self._reached(partition, target):
                found[gap.user_id] = gap.next_seq
        self._targets = targets
        return found

    def _reached(self, partition: Partition, target: Target) -> bool:
        stored = self._stored.get(partition)
        if stored is None or stored < target.offset:
            return False
        if not target.confirmed:
            target.offset, target.confirmed = max(target.offset, self._seen_end(partition)), True
        return stored >= target.offset
