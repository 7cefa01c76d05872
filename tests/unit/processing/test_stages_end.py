"""The pair of stages: a failure of either, and the end."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from processing.domain.away import StoppedError
from processing.domain.outcomes import BatchResult
from tests.support.stages import ROOM_S, WAIT_S, Log, finish, is_running, join, name_of, named


@pytest.fixture
def log() -> Log:
    return Log()


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
    assert log.of("publish", "done") == ["publish a", "done ab", "publish b"]
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
    assert log.of("publish", "done") == ["publish a", "done abc", "publish b", "publish c"]


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
