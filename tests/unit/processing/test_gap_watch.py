"""When the gaps of a partition are decided: by what was read when, and where the log ended since."""

from __future__ import annotations

from processing.consumer.gap_watch import STEPS, GapWatch

TIMEOUT_S = 2.0


class Watch(GapWatch):
    """Of a partition that is taken over at 0.0; everything before offset 10 was stored by then."""

    def __init__(self) -> None:
        super().__init__()
        self.hold(10, at=0.0)

    def hold(self, position: int, *, at: float) -> None:
        self.note_held(at, position, TIMEOUT_S)

    def round(self, end: int, *, at: float) -> bool:
        """Begin a round if one is due; the log ends here."""
        due = self.is_due(at, TIMEOUT_S)
        if due:
            self.begin_round(at, TIMEOUT_S, end)
        return due

    def decided_at(self, stored: int, *, fetched_end: int = 0) -> int | None:
        self.decide(stored, fetched_end)
        return self.decided


def test_what_was_held_before_counts_from_taking_the_partition_over() -> None:
    watch = Watch()
    assert not watch.round(10, at=1.9)
    assert watch.round(10, at=2.0)
    assert watch.decided_at(10) == 10


def test_a_gap_is_decided_when_all_that_stood_in_the_log_is_stored() -> None:
    watch = Watch()
    assert watch.round(100, at=2.0)
    assert watch.decided_at(99) is None
    assert watch.decided_at(100) == 10


def test_one_round_decides_all_that_was_read_in_time_and_nothing_younger() -> None:
    watch = Watch()
    for offset in range(11, 1_000):
        watch.hold(offset, at=offset / 1000)
    watch.hold(2_000, at=3.5)
    assert watch.round(5_000, at=3.0)
    assert not watch.round(5_000, at=3.0), "nothing is left to ask for"
    assert watch.decided_at(5_000) == 999


def test_what_comes_after_the_timeout_is_not_waited_for() -> None:
    watch = Watch()
    watch.hold(50, at=1.0)
    assert watch.round(100, at=2.0)
    assert watch.round(900, at=3.0), "in a backlog each round has its own end"
    assert watch.decided_at(100) == 10
    assert watch.decided_at(899) == 10
    assert watch.decided_at(900) == 50


def test_an_end_that_is_told_too_low_is_corrected_by_the_fetch_once() -> None:
    watch = Watch()
    watch.round(91, at=2.0)  # the last batch begins at 90
    assert watch.decided_at(91, fetched_end=100) is None
    assert watch.decided_at(99, fetched_end=900) is None
    assert watch.decided_at(100, fetched_end=900) == 10


def test_a_stall_leaves_no_pause_behind() -> None:
    """The batch was read before Postgres was away for minutes: its time has run meanwhile."""
    watch = Watch()
    assert watch.round(20, at=2.0)
    assert watch.decided_at(20) == 10
    watch.hold(20, at=3.0)  # stored now, at 300.0
    assert watch.round(20, at=300.0)
    assert watch.decided_at(20) == 20


def test_memory_is_bounded_and_what_is_put_together_counts_from_its_latest() -> None:
    watch = Watch()
    for offset in range(11, 10_000):
        watch.hold(offset, at=1.0 + offset / 10_000)
    assert len(watch._read) <= STEPS + 2
    decided = 10
    for now in (2.0 + hundredth / 100 for hundredth in range(210)):
        if watch.round(10_000, at=now):
            decided = watch.decided_at(10_000) or 0
        assert decided <= max(10, (now - TIMEOUT_S - 1.0) * 10_000 + 1)
    assert decided == 9_999
