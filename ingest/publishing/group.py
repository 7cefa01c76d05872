"""What was handed to Kafka together: which of its events have an outcome, and which of these Redis knows."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ingest.parsing.candidate import Candidate
from ingest.publishing.submission import Outcome, Status, Submission
from processing.domain.log_positions import Place

Reserved = tuple[Submission, int, Candidate]  # the int: which outcome of its submission
Settled = tuple[Submission, Candidate, bool]  # whether Kafka acknowledged it


@dataclass(eq=False)
class Group:
    """`left` of its events have no answer from Kafka yet; the group itself counts as one until all are handed over."""

    reserved: Sequence[Reserved]
    left: int
    since: float = field(default_factory=time.monotonic)
    late: bool = False  # it belongs to the thread of late groups
    remembered: set[int] = field(default_factory=set)  # of a late group: places of those that Redis knows
    renewed_at: float = float("-inf")
    places: dict[str, Place | None] = field(default_factory=dict)  # by event id: where Kafka has put it

    def settled(self) -> list[Settled]:
        """All of it, once none is left."""
        return [(submission, event, is_acknowledged(submission, index)) for submission, index, event in self.reserved]

    def newly_settled(self) -> list[tuple[int, Settled]]:
        """With their places, those that Redis does not know yet."""
        return [
            (place, (submission, event, is_acknowledged(submission, index)))
            for place, (submission, index, event) in self._not_remembered()
            if submission.outcomes[index] is not None
        ]

    def unknown(self) -> list[tuple[Submission, Candidate]]:
        """Those whose reservation is to be renewed."""
        return [(submission, event) for _, (submission, _, event) in self._not_remembered()]

    def _not_remembered(self) -> Iterator[tuple[int, Reserved]]:
        return (each for each in enumerate(self.reserved) if each[0] not in self.remembered)

    def is_over(self) -> bool:
        return len(self.remembered) == len(self.reserved)

    def let_go(self) -> None:
        """Let the requests go on whose events all have an outcome."""
        for submission in {id(submission): submission for submission, _, _ in self.reserved}.values():
            if None not in submission.outcomes:
                submission.on_done()


def is_acknowledged(submission: Submission, index: int) -> bool:
    outcome: Outcome | None = submission.outcomes[index]
    return outcome is not None and outcome.status is Status.ACCEPTED
