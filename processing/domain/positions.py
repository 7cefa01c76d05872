"""Positions in the log: where the consumer group stands in a partition, and whether that is far enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Partition = tuple[str, int]  # topic and number


@dataclass(frozen=True)
class Position:
    """A partition's first offset and its end, and where the group goes on reading it."""

    low: int
    end: int
    next: int

    @property
    def lag(self) -> int:
        return max(0, self.end - self.next)


def is_reached(watermarks: Mapping[Partition, int], log: Mapping[Partition, Position]) -> bool:
    """Whether the group has committed all that stood before these watermarks. Pure.

    A partition that no longer exists counts as reached, and so does an old end beyond that of a log made anew.
    """
    return all(log[key].next >= min(mark, log[key].end) for key, mark in watermarks.items() if key in log)
