"""When a gap may be passed: a table of what the log and the clock say."""

from __future__ import annotations

from collections.abc import Iterable

from processing.consumer.gaps import passable
from processing.consumer.partitions import Partition, Partitions
from processing.postgres.due import Gap

EVENTS = ("events", 0)
GAP = Gap("u", 5, *EVENTS)


class Log:
    """The ends of a partition, as a broker tells them."""

    def __init__(self, asked: int, seen: int | None = None) -> None:
        self.asked = asked
        self.seen = asked if seen is None else seen

    def watch(self) -> Watch:
        return Watch(self)


class Watch:
    """A consumer that has the partition since 0.0; its timeout is 2 s."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.partitions = Partitions()
        self.assigned(now=0.0)

    @property
    def partition(self) -> Partition:
        found = self.partitions.find(EVENTS)
        assert found is not None
        return found

    def assigned(self, now: float) -> None:
        self.partitions.assign([EVENTS], now)

    def stored(self, offset: int) -> None:
        self.partition.stored = offset

    def passable(self, gaps: Iterable[Gap], now: float) -> dict[str, int]:
        for partition in self.partitions:
            partition.fetched_end = self.log.seen
        return passable(gaps, self.partitions, timeout_s=2.0, ask_end=lambda _: self.log.asked, now=now)


def test_a_gap_is_passed_when_all_that_stood_in_the_log_is_stored() -> None:
    watch = Log(100).watch()
    watch.stored(99)
    assert watch.passable([GAP], now=10.0) == {}
    watch.stored(100)
    assert watch.passable([GAP], now=10.0) == {"u": 5}


def test_what_comes_after_the_timeout_is_not_waited_for() -> None:
    log = Log(100)
    watch = log.watch()
    watch.stored(50)
    assert watch.passable([GAP], now=10.0) == {}
    log.asked = log.seen = 200
    watch.stored(120)
    assert watch.passable([GAP], now=11.0) == {}, "the end that came with the fetch is looked at once"
    watch.stored(200)
    log.asked = log.seen = 900
    assert watch.passable([GAP], now=12.0) == {"u": 5}


def test_an_end_that_is_told_too_low_is_corrected_by_the_fetch() -> None:
    log = Log(asked=91, seen=90)  # the last batch begins at 90
    watch = log.watch()
    watch.stored(90)
    assert watch.passable([GAP], now=10.0) == {}
    log.seen = 100  # it was fetched
    watch.stored(95)
    assert watch.passable([GAP], now=10.0) == {}
    watch.stored(100)
    assert watch.passable([GAP], now=10.0) == {"u": 5}


def test_the_time_counts_from_taking_the_partition_over() -> None:
    watch = Log(10).watch()
    watch.assigned(now=100.0)
    watch.stored(10)
    assert watch.passable([GAP], now=101.9) == {}
    assert watch.passable([GAP], now=102.1) == {"u": 5}


def test_a_partition_of_another_consumer_is_left_to_it() -> None:
    watch = Log(10).watch()
    watch.stored(10)
    watch.partitions.revoke([EVENTS])
    assert watch.passable([GAP], now=10.0) == {}


def test_a_partition_whose_position_is_not_known_yet_passes_nothing() -> None:
    assert Log(0).watch().passable([GAP], now=10.0) == {}


def test_each_gap_of_a_lane_has_an_end_of_its_own() -> None:
    log = Log(10)
    watch = log.watch()
    watch.stored(10)
    assert watch.passable([GAP], now=10.0) == {"u": 5}
    log.asked = log.seen = 20
    assert watch.passable([Gap("u", 8, *EVENTS)], now=11.0) == {}
