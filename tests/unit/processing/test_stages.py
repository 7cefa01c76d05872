"""The pair of stages: order and overlap."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from processing.domain.outcomes import BatchResult
from tests.pipeline.processes import wait_until
from tests.support.stages import WAIT_S, Log, finish, named


@pytest.fixture
def log() -> Log:
    return Log()


def test_results_are_published_in_order_once_and_the_work_is_done_after_its_first(log: Log) -> None:
    stages = log.stages()
    stages.start()
    for work in ("ab", "", "cde", "f"):
        assert stages.offer(work, WAIT_S)
    finish(stages)
    assert log.of("publish", "done") == [
        *("publish a", "done ab", "publish b", "done "),
        *("publish c", "done cde", "publish d", "publish e", "publish f", "done f"),
    ]
    assert log.of("commit") == [f"commit {letter}" for letter in "abcdef"]
    assert stages.is_idle()
    assert stages.failure is None
    assert not log.stop.is_set()


@pytest.mark.parametrize("queued", [1, 2])
def test_the_next_piece_is_committed_while_the_one_before_is_published(log: Log, queued: int) -> None:
    second_began = threading.Event()

    def commit(work: str) -> Iterator[BatchResult]:
        if work == "b":
            second_began.set()
        yield from log.commit(work)

    def publish(result: BatchResult) -> None:
        assert second_began.wait(WAIT_S)
        log.publish(result)

    stages = log.stages(commit=commit, publish=publish, queued=queued)
    stages.start()
    stages.offer("a", WAIT_S)
    stages.offer("b", WAIT_S)
    finish(stages)
    assert stages.failure is None
    assert log.of("publish") == ["publish a", "publish b"]


def test_a_result_is_published_before_the_next_transaction_of_the_same_work_is_through(log: Log) -> None:
    published = threading.Event()

    def commit(work: str) -> Iterator[BatchResult]:
        yield named("first")
        assert published.wait(WAIT_S)
        yield named("second")

    def publish(result: BatchResult) -> None:
        log.publish(result)
        published.set()

    stages = log.stages(commit=commit, publish=publish)
    stages.start()
    stages.offer("work", WAIT_S)
    finish(stages)
    assert log.of("publish", "done") == ["publish first", "done work", "publish second"]


def test_what_comes_between_is_done_before_each_piece_and_while_there_is_none(log: Log) -> None:
    twice = threading.Event()
    number = 0

    def between() -> Iterator[BatchResult]:
        nonlocal number
        number += 1
        if number == 2:
            twice.set()
        log.lines.append("between")
        yield named(f"between-{number}")

    stages = log.stages(between=between)
    stages.start()
    assert twice.wait(WAIT_S)  # without work
    stages.offer("a", WAIT_S)
    stages.offer("b", WAIT_S)
    finish(stages)
    order = log.of("between", "commit")
    assert all(order[order.index(line) - 1] == "between" for line in ("commit a", "commit b"))
    assert log.of("publish")[:2] == ["publish between-1", "publish between-2"]


@pytest.mark.parametrize("_", range(20))
def test_a_first_result_finds_its_reader(log: Log, _: int) -> None:
    first = [named("between")]
    stages = log.stages(between=lambda: [first.pop()] if first else [])
    stages.start()
    finish(stages)
    assert log.of("publish") == ["publish between"]


def test_what_can_go_on_between_has_one_turn_for_each_piece_of_work(log: Log) -> None:
    """However much there is of it, work is not held up; and without work it does not wait for any."""
    turns = iter("0123456789")
    left = [10]
    offered = threading.Event()

    def between() -> Iterator[BatchResult]:
        assert offered.wait(WAIT_S)
        if left[0]:
            left[0] -= 1
            yield from log.commit(next(turns))

    stages = log.stages(between=between, more=lambda: left[0] > 0, queued=3)
    stages.start()
    for work in "abc":
        assert stages.offer(work, WAIT_S)
    assert not stages.is_through()
    offered.set()
    wait_until(stages.is_through, WAIT_S, "all is done")
    finish(stages)
    assert "".join(line[-1] for line in log.of("commit")) == "0a1b2c3456789"


def test_work_that_takes_long_is_told_again_and_again_until_its_first_result(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("processing.engine.stages.SLOW_S", 0.001)
    monkeypatch.setattr("processing.engine.stages.SLOW_AGAIN_S", 0.001)

    def commit(work: str) -> Iterator[BatchResult]:
        wait_until(lambda: len(log.of("slow")) >= 2 * len(work), WAIT_S, "it is told")
        yield from log.commit(work)

    stages = log.stages(commit=commit)
    stages.start()
    stages.offer("a", WAIT_S)
    finish(stages)
    lines = [line for line in log.lines if line != "slow a"]
    assert lines == ["commit a", "publish a", "done a"]
    assert "slow a" not in log.lines[log.lines.index("publish a") :]


def test_work_that_does_not_take_long_is_not_told(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processing.engine.stages.SLOW_S", WAIT_S)
    stages = log.stages()
    stages.start()
    stages.offer("ab", WAIT_S)
    finish(stages)
    assert log.of("slow") == []
