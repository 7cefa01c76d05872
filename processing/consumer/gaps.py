"""When a gap is passed: not by the clock alone, but by the end of the log.

A gap that is older than the timeout is passed once everything that stood in its partition at that moment is committed
to Postgres. A backlog, or a consumer that was away, is no gap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from processing.consumer.partitions import GapTarget, Key, Partition, Partitions
from processing.postgres.due import Gap

AskEnd = Callable[[Key], int | None]


def passable(
    gaps: Iterable[Gap], partitions: Partitions, *, timeout_s: float, ask_end: AskEnd, now: float
) -> dict[str, int]:
    """Of the gaps that are older than the timeout, those that can be passed now, as next seq by user.

    `ask_end` asks the broker where a partition ends (None: no answer). A broker may answer too low, by less than the
    last batch of the log (the embedded one does); once that batch has been read, its fetch has told the exact end.
    """
    found: dict[str, int] = {}
    asked: dict[Key, int | None] = {}
    targets: dict[Key, dict[tuple[str, int], GapTarget]] = {}
    for gap in gaps:
        partition = _partition_of(gap, partitions)
        if partition is None or now - partition.assigned_at < timeout_s:
            continue
        lane = (gap.user_id, gap.next_seq)
        target = partition.targets.get(lane) or _new_target(partition.key, asked, ask_end)
        if target is None:
            continue
        targets.setdefault(partition.key, {})[lane] = target
        if _is_reached(partition, target):
            found[gap.user_id] = gap.next_seq
    for partition in partitions:
        partition.targets = targets.get(partition.key, {})  # gaps that have closed are forgotten
    return found


def _partition_of(gap: Gap, partitions: Partitions) -> Partition | None:
    return None if gap.topic is None or gap.partition is None else partitions.find((gap.topic, gap.partition))


def _new_target(key: Key, asked: dict[Key, int | None], ask_end: AskEnd) -> GapTarget | None:
    """The present end of the log, asked for once a round."""
    if key not in asked:
        asked[key] = ask_end(key)
    end = asked[key]
    return None if end is None else GapTarget(end)


def _is_reached(partition: Partition, target: GapTarget) -> bool:
    if partition.stored is None or partition.stored < target.offset:
        return False
    if not target.confirmed:
        target.offset, target.confirmed = max(target.offset, partition.fetched_end), True
    return partition.stored >= target.offset
