"""The partitions of this consumer: one object each, from assignment to revocation, which holds all of its state.

A partition that goes and comes back is a new object. So a batch of the old one is neither committed nor taken for one
of the new one: no code looks at a revoked object.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from processing.consumer.gap_watch import GapWatch
from processing.domain.process import PartitionLag

Key = tuple[str, int]  # topic and number


@dataclass(eq=False, slots=True)
class Partition:
    """An assigned partition. Each field has one thread that writes it; offsets are those of the next message.

    The poll: `paused`, `revoked`, `committed` (asked of Kafka), `polled`, `end` (where the log ended when its end was
    last reached), `fetched_end` (that came with the last fetch), `in_hand` (the position behind each batch, and
    when Kafka got its first message, Unix ms), and what `placing` needs: `start` (where reading
    began), `topic_id`, `generation` of the stored position, `doubtful` (where to read on is to be decided anew),
    `truncated`. The commit stage: `stored` (everything before is in Postgres), `gaps` (once it is taken over). The
    publish stage: `done` (everything before is in Redis too).
    """

    key: Key
    paused: bool = True  # librdkafka keeps one paused that was so when it went
    revoked: bool = False
    committed: int | None = None
    polled: int | None = None
    start: int = 0
    topic_id: str = ""
    generation: int | None = None
    doubtful: bool = False
    truncated: bool = False
    end: int | None = None
    fetched_end: int = 0
    stored: int | None = None
    done: int | None = None
    gaps: GapWatch = field(default_factory=GapWatch)
    in_hand: deque[tuple[int, int]] = field(default_factory=deque)

    def is_idle(self) -> bool:
        """Whether all that was read of it is done."""
        return self.polled == self.done

    def note_in_hand(self, position: int, produced_at: int) -> None:
        """A batch up to this position; those that are done are forgotten."""
        while self.in_hand and self.in_hand[0][0] <= (self.done or 0):
            self.in_hand.popleft()
        self.in_hand.append((position, produced_at))

    def lag(self) -> PartitionLag:
        """As another thread sees it."""
        done = self.done if self.done is not None else (self.committed or self.start)
        end = max(self.end or 0, self.fetched_end, self.polled or 0)
        waiting = [at for end, at in tuple(self.in_hand) if end > done and at > 0]
        seconds = max(0.0, time.time() - min(waiting) / 1000) if waiting else 0.0
        return PartitionLag(*self.key, max(0, end - done), round(seconds, 3))


class Partitions:
    """Those assigned now, by topic and number."""

    def __init__(self) -> None:
        self._assigned: dict[Key, Partition] = {}

    def assign(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self._assigned[key] = Partition(key)

    def revoke(self, keys: Iterable[Key]) -> None:
        for key in keys:
            partition = self._assigned.pop(key, None)
            if partition is not None:
                partition.revoked = True

    def find(self, key: Key) -> Partition | None:
        return self._assigned.get(key)

    def assigned(self) -> Collection[Key]:
        return tuple(self._assigned)

    def __iter__(self) -> Iterator[Partition]:
        return iter(tuple(self._assigned.values()))  # a copy: the poll may change it meanwhile
