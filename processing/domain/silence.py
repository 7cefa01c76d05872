"""Is anybody reading the log? Decided from what the group has committed, and when that last changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from processing.domain.positions import Partition, Position
from processing.domain.texts import counted

SILENT_S = 30.0  # a batch, or a rebalance, takes less


class Silence:
    """Since when the group stands still although there is more to read. Times are the caller's, in seconds."""

    def __init__(self) -> None:
        self._still: dict[Partition, tuple[int, float]] = {}  # the position, and since when it is that

    def note(self, log: Mapping[Partition, Position], now: float) -> None:
        """What the group's positions are now."""
        behind = {key: position.next for key, position in log.items() if position.lag}
        before = self._still
        self._still = {
            key: before[key] if key in before and before[key][0] == offset else (offset, now)
            for key, offset in behind.items()
        }

    def silent(self, now: float) -> dict[Partition, float]:
        """The partitions that nobody has moved for SILENT_S, and for how long."""
        return {key: now - since for key, (_, since) in self._still.items() if now - since >= SILENT_S}


def why_silent(group: str, silent: Mapping[Partition, float], held_up: Collection[Partition]) -> list[str]:
    """A line for those that nobody moves, and for those that another producer's open transaction holds up."""
    lines = []
    stuck = {key: seconds for key, seconds in silent.items() if key not in held_up}
    if stuck:
        lines.append(
            f"the consumers of group {group} have committed nothing for {max(stuck.values()):.0f} s {_of(stuck)}"
        )
    if waiting := [key for key in silent if key in held_up]:
        lines.append(f"an open transaction of another producer holds up the consumers {_of(waiting)}")
    return lines


def why_deserted(group: str, log: Mapping[Partition, Position]) -> list[str]:
    """Of a group without members: nothing is wrong while there has never been anything to read."""
    if not any(position.end > position.low or position.next for position in log.values()):
        return []
    lag = sum(position.lag for position in log.values())
    return [f"no consumer of group {group} is there; unread in Kafka: {counted(lag, 'message')}"]


def _of(keys: Collection[Partition]) -> str:
    first = ", ".join(f"{topic}/{number}" for topic, number in sorted(keys)[:3])
    return f"in {counted(len(keys), 'partition')} ({first}{' …' if len(keys) > 3 else ''})"
