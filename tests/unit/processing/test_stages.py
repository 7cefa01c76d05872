"""The pair of stages: order, overlap, a failure of either, and the end. No service: what the stages do is given."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import pytest

from processing.domain.away import StoppedError
from processing.domain.outcomes import BatchResult, HotStateUpdate
from processing.engine.stages import Stages

WAIT_S = 10.0  # for what comes at once, unless something is broken
ROOM_S = 0.01


def named(name: str) -> BatchResult:
    return BatchResult(HotStateUpdate(refresh=[name]))


def name_of(result: BatchResult) -> str:
    (name,) = result.hot_state.refresh
    return name


def nothing() -> Iterable[BatchResult]:
    return ()


@dataclass
class Log:
    """What the stages did, in order. A piece of work is a text; its results are its letters."""

    lines: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def commit(self, work: str) -> Iterator[BatchResult]:
        for letter in work:
            self.lines.append(f"commit {letter}")
            yield named(letter)

    def publish(self, result: BatchResult) -> None:
        self.lines.append(f"publish {name_of(result)}")

    def done(self, work: str) -> None:
        self.lines.append(f"done {work}")

    def of(self, *verbs: str) -> list[str]:
        return [line for line in self.lines if line.split()[0] in verbs]

    def stages(
        self,
        *,
        commit: Callable[[str], Iterable[BatchResult]] | None = None,
        between: Callable[[], Iterable[BatchResult]] = nothing,
        publish: Callable[[BatchResult], None] | None = None,
        done: Callable[[str], None] | None = None,
        queued: int = 2,
    ) -> Stages[str]:
        return Stages(
            commit=commit or self.commit,
            between=between,
            publish=publish or self.publish,
            done=done or self.done,
            stop=self.stop,
            queued=queued,
        )


@pytest.fixture
def log() -> Log:
    return Log()


def finish(stages: Stages[str]) -> None:
    stages.finish(WAIT_S)
    assert not is_running(stages)


def is_running(stages: Stages[str]) -> bool:
    return stages._committing.is_alive() or stages._publishing.is_alive()


def join(stages: Stages[str]) -> None:
    """Wait for an end that nobody asked for."""
    for thread in (stages._committing, stages._publishing):
        thread.join(WAIT_S)
        assert not thread.is_alive()


def test_results_are_published_in_order_once_and_the_work_is_done_after_them(log: Log) -> None:
    stages = log.stages()
    stages.start()
    for work in ("ab", "", "cde", "f"):
        assert stages.offer(work, WAIT_S)
    finish(stages)
    assert log.of("publish", "done") == [
        *("publish a", "publish b", "done ab", "done "),
        *("publish c", "publish d", "publish e", "done cde", "publish f", "done f"),
    ]
    assert log.of("commit") == [f"commit {letter}" for letter in "abcdef"]
    assert stages.is_idle()
    assert stages.failure is None
    assert not log.stop.is_set()


def test_the_next_piece_is_committed_while_the_one_before_is_published(log: Log) -> None:
    second_began = threading.Event()

    def commit(work: str) -> Iterator[BatchResult]:
        if work == "b":
            second_began.set()
        yield from log.commit(work)

    def publish(result: BatchResult) -> None:
        assert second_began.wait(WAIT_S)
        log.publish(result)

    stages = log.stages(commit=commit, publish=publish)
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
    assert log.of("publish", "done") == ["publish first", "publish second", "done work"]


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


def test_a_commit_that_fails_ends_both_and_what_was_committed_is_published(log: Log) -> None:
    def commit(work: str) -> Iterator[BatchResult]:
        yield from log.commit(work)
        raise ValueError(work)

    stages = log.stages(commit=commit)
    stages.start()
    stages.offer("ab", WAIT_S)
    join(stages)
    assert log.stop.is_set()
    assert str(stages.failure) == "ab"
    assert log.of("publish", "done") == ["publish a", "publish b"]
    assert not stages.is_idle()
    finish(stages)


def test_a_publish_that_fails_ends_both_and_nothing_more_is_committed(log: Log) -> None:
    """Not the rest of the same work, and not what waits."""
    failed = threading.Event()

    def commit(work: str) -> Iterator[BatchResult]:
        yield from log.commit("a")
        assert failed.wait(WAIT_S)
        stages._publishing.join(WAIT_S)
        yield from log.commit("bc")

    def publish(result: BatchResult) -> None:
        failed.set()
        raise ValueError(name_of(result))

    stages = log.stages(commit=commit, publish=publish)
    stages.start()
    stages.offer("a", WAIT_S)
    stages.offer("d", WAIT_S)
    join(stages)
    assert log.stop.is_set()
    assert str(stages.failure) == "a"
    assert log.of("commit", "done") == ["commit a", "commit b"]


def test_a_done_that_fails_ends_both(log: Log) -> None:
    def done(work: str) -> None:
        raise OSError(work)

    stages = log.stages(done=done)
    stages.start()
    stages.offer("a", WAIT_S)
    join(stages)
    assert log.stop.is_set()
    assert isinstance(stages.failure, OSError)


def test_the_first_failure_is_kept(log: Log) -> None:
    committed_failed = threading.Event()

    def commit(work: str) -> Iterator[BatchResult]:
        yield named(work)
        committed_failed.set()
        raise ValueError("first")

    def publish(result: BatchResult) -> None:
        assert committed_failed.wait(WAIT_S)
        assert log.stop.wait(WAIT_S)
        raise OSError("second")

    stages = log.stages(commit=commit, publish=publish)
    stages.start()
    stages.offer("a", WAIT_S)
    join(stages)
    assert str(stages.failure) == "first"


def test_a_stage_that_was_only_told_to_stop_hides_no_failure_of_the_other(log: Log) -> None:
    """A bug that shows while the process is being stopped is told as one."""
    ended = threading.Event()

    def commit(work: str) -> Iterator[BatchResult]:
        yield named(work)
        assert ended.wait(WAIT_S)
        stages._publishing.join(WAIT_S)
        raise ValueError("a bug")

    def publish(result: BatchResult) -> None:
        ended.set()
        raise StoppedError("stopped while Redis was away")

    stages = log.stages(commit=commit, publish=publish)
    stages.start()
    stages.offer("a", WAIT_S)
    join(stages)
    assert str(stages.failure) == "a bug"


def test_an_end_in_time_does_not_wait_for_a_stage_that_hangs(log: Log) -> None:
    release, hanging = threading.Event(), threading.Event()

    def publish(result: BatchResult) -> None:
        hanging.set()
        assert release.wait(WAIT_S)
        log.publish(result)

    stages = log.stages(publish=publish, queued=1)
    stages.start()
    stages.offer("abc", WAIT_S)
    assert hanging.wait(WAIT_S)
    stages.finish(ROOM_S)
    assert is_running(stages)
    assert not stages.is_idle()
    release.set()
    finish(stages)
    assert log.of("publish", "done") == ["publish a", "publish b", "publish c", "done abc"]


def test_there_is_no_room_when_the_queue_is_full(log: Log) -> None:
    release, committing = threading.Event(), threading.Event()

    def commit(work: str) -> Iterator[BatchResult]:
        committing.set()
        assert release.wait(WAIT_S)
        yield from log.commit(work)

    stages = log.stages(commit=commit, queued=1)
    stages.start()
    assert stages.offer("a", WAIT_S)
    assert committing.wait(WAIT_S)
    assert stages.offer("b", WAIT_S)
    assert not stages.offer("c", ROOM_S)
    release.set()
    finish(stages)
    assert log.of("publish") == ["publish a", "publish b"]
    assert stages.is_idle()


def test_work_in_hand_is_done_although_the_stop_is_set(log: Log) -> None:
    stages = log.stages()
    log.stop.set()
    for work in ("a", "b"):
        stages.offer(work, WAIT_S)
    stages.start()
    finish(stages)
    assert log.of("done") == ["done a", "done b"]
    assert stages.failure is None


def test_stages_without_work_end_with_the_stop(log: Log) -> None:
    """Although nobody asks them to finish: whoever would have may have failed himself."""
    stages = log.stages()
    stages.start()
    log.stop.set()
    join(stages)
    assert stages.failure is None
