"""When a gap is passed: not by the clock alone, but by the end of the log.

A gap is passed once everything that stood in the partition is committed to Postgres that stood there when an event
held behind the gap had been read for the timeout. A backlog, or a consumer that was away, is no gap. What is decided is
decided for a whole partition in rounds, see `gap_watch`, however many lanes have gaps and however many gaps a lane has.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from django.conf import settings

from processing.consumer.added_partitions import AddedPartitions
from processing.consumer.batch import Batch
from processing.consumer.partitions import Key, Partitions
from processing.domain.lanes import PassableGaps
from processing.postgres.gaps import DecidedPart, any_gaps, find_passable

AskEnd = Callable[[Key], int | None]

LOOKS = 4  # within a timeout
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 1.0
ASK_AGAIN_S = 5.0


class GapRounds:
    """The rounds of the assigned partitions, for the commit stage. `ask_end` asks the broker where a partition ends
    (None: no answer)."""

    def __init__(self, partitions: Partitions, ask_end: AskEnd, added: AddedPartitions) -> None:
        self._partitions = partitions
        self._ask_end = ask_end
        self._added = added

    def note_held(self, batch: Batch) -> None:
        """Something of this batch, which is stored, is held."""
        for partition, position in batch.positions.items():
            partition.gaps.note_held(batch.read_at, position, _timeout_s())

    def begin(self, now: float) -> bool:
        """Begin the rounds that are due; returns whether any lane stands before a gap."""
        if not any_gaps():
            return False
        self._begin_rounds(now)
        return True

    def look(self, now: float, known: Collection[str] = ()) -> Sequence[PassableGaps]:
        """Begin the rounds that are due, end those whose end of the log is stored; returns the gaps that can be passed.

        Also gaps to which other processes have moved their lanes since. Can be done again at any time. `known`: users
        whose gaps need not be found again.
        """
        found = self._decided(known) if self.begin(now) else []
        if found and not self._added.any_unread():
            return found
        self._added.look_again()
        return []

    def _decided(self, known: Collection[str]) -> Sequence[PassableGaps]:
        decided: list[DecidedPart] = []
        for each in self._partitions:
            if each.stored is not None:
                each.gaps.decide(each.stored, each.fetched_end)
            if each.gaps.decided is not None and each.generation is not None:
                decided.append(DecidedPart(*each.key, each.generation, each.gaps.decided))
        return find_passable(decided, settings.SEQUENCE_GAP_TIMEOUT_MS, known) if decided else []

    def _begin_rounds(self, now: float) -> None:
        """A partition whose end is not told is asked about after the others, and not soon again: each question takes
        the stage's time."""
        timeout_s = _timeout_s()
        due = [each for each in self._partitions if each.gaps.is_due(now, timeout_s)]
        for each in sorted(due, key=lambda partition: partition.gaps.untold_at):
            if now < each.gaps.untold_at + ASK_AGAIN_S:
                return
            end = self._ask_end(each.key)
            if end is None:
                each.gaps.untold_at = now
                return
            each.gaps.begin_round(now, timeout_s, end)


def pause_s() -> float:
    """Between two looks: a part of the timeout, never longer because something took its time."""
    return min(LONGEST_PAUSE_S, max(SHORTEST_PAUSE_S, _timeout_s() / LOOKS))


def _timeout_s() -> float:
    return float(settings.SEQUENCE_GAP_TIMEOUT_MS) / 1000
