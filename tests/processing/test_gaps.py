"""When a gap may be passed: a table of what the log and the clock say."""

from __future__ import annotations

from processing.consumer.gaps import GapWatch
from processing.postgres.due import Gap

EVENTS = ("events", 0)
GAP = Gap("u", 5, *EVENTS)


class Log:
    """The ends of a partition, as a broker tells them."""

    def __init__(self, asked: int, seen: int | None = None) -> None:
        self.asked = asked
        self.seen = asked if seen is None else seen

    def watch(self) -> GapWatch:
        watch = GapWatch(2.0, lambda _: self.asked, lambda _: self.seen)
        watch.assigned([EVENTS], now=0.0)
        return watch


def test_a_gap_is_passed_when_all_that_stood_in_the_log_is_stored() -> None:
    watch = Log(100).watch()
    watch.stored({EVENTS: 99})
    assert watch.passable([GAP], now=10.0) == {}
    watch.stored({EVENTS: 100})
    assert watch.passable([GAP], now=10.0) == {"u": 5}


def test_what_comes_after_the_timeout_is_not_waited_for() -> None:
    log = Log(100)
    watch = log.watch()
    watch.stored({EVENTS: 50})
    assert watch.passable([GAP], now=10.0) == {}
    log.asked = log.seen = 200
    watch.stored({EVENTS: 120})
    assert watch.passable([GAP], now=11.0) == {}, "the end that came with the fetch is looked at once"
    watch.stored({EVENTS: 200})
    log.asked = log.seen = 900
    assert watch.passable([GAP], now=12.0) == {"u": 5}


def test_an_end_that_is_told_too_low_is_corrected_by_the_fetch() -> None:
    log = Log(asked=91, seen=90)  # the last batch begins at 90
    watch = log.watch()
    watch.stored({EVENTS: 90})
    assert watch.passable([GAP], now=10.0) == {}
    log.seen = 100  # it was fetched
    watch.stored({EVENTS: 95})
    assert watch.passable([GAP], now=10.0) == {}
    watch.stored({EVENTS: 100})
    assert watch.passable([GAP], now=10.0) == {"u": 5}


def test_the_time_counts_from_taking_the_partition_over() -> None:
    watch = Log(10).watch()
    watch.assigned([EVENTS], now=100.0)
    watch.stored({EVENTS: 10})
    assert watch.passable([GAP], now=101.9) == {}
    assert watch.passable([GAP], now=102.1) == {"u": 5}


def test_a_partition_of_another_consumer_is_left_to_it() -> None:
    watch = Log(10).watch()
    watch.stored({EVENTS: 10})
    watch.revoked([EVENTS])
    assert watch.passable([GAP], now=10.0) == {}


def test_a_partition_whose_position_is_not_known_yet_passes_nothing() -> None:
    assert Log(0).watch().passable([GAP], now=10.0) == {}


def test_each_gap_of_a_lane_has_an_end_of_its_own() -> None:
    log = Log(10)
    watch = log.watch()
    watch.stored({EVENTS: 10})
    assert watch.passable([GAP], now=10.0) == {"u": 5}
    log.asked = log.seen = 20
    assert watch.passable([Gap("u", 8, *EVENTS)], now=11.0) == {}
