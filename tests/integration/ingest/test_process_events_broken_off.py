"""Runs of `manage.py process_events` that end before the file does, and the run after them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from ingest.files import lines as lines_of_files
from ingest.files.apply import hot_state_writer
from ingest.management.commands import process_events
from processing.background import import_gaps
from processing.background.kinds import tend_kinds
from processing.domain.outcomes import BatchResult
from processing.engine import release
from processing.hot_state.write import write_hot_state
from processing.models import HotStateOutbox, ImportRun, Kind
from processing.postgres import imports
from tests.support import flaky
from tests.support.applied_files import PLAIN, numbered, process, process_badly
from tests.support.batches import retry_all, statuses

FAR = "2999-01-01T00:00:00Z"

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis", "hinted")]

WITHIN_S = 30.0


@pytest.fixture
def ask_to_end(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Send SIGTERM as an operator would, to the process, and wait until the run knows of it."""
    stops: list[threading.Event] = []
    stopped_by_signals = process_events._stopped_by_signals

    @contextmanager
    def noted() -> Iterator[threading.Event]:
        with stopped_by_signals() as stop:
            stops.append(stop)
            yield stop

    def ask() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stops[-1].wait(WITHIN_S)

    monkeypatch.setattr(process_events, "_stopped_by_signals", noted)
    return ask


def test_lines_of_a_kind_that_is_stopped_are_stored_and_wait(file: Callable[..., Path]) -> None:
    Kind.objects.create(name="flaky/t", state="stopped", reason="a bad deploy", actor="", next_probe_at=FAR)
    printed = process(file(PLAIN, numbered(1), numbered(2)))
    assert printed == "1 applied, 0 already known, 2 held, 0 refused"
    assert ImportRun.objects.get().ended_at is not None
    Kind.objects.update(state="draining", next_probe_at=None)
    while Kind.objects.exists():
        tend_kinds()
    assert set(statuses().values()) == {("processed", 1)}


def test_handlers_that_keep_failing_stop_their_kind_and_not_the_run(
    file: Callable[..., Path], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.FAILURE_LIMIT_IN_A_ROW = 50
    monkeypatch.setattr(lines_of_files, "PIECE_LINES", 50)
    lines = [numbered(1, f"user-{number}", fails=1) for number in range(400)]
    printed = process(file(*lines, *([PLAIN] * 60)))
    assert printed == "60 applied, 0 already known, 350 held, 50 retrying, 0 refused"
    assert ImportRun.objects.get().ended_at is not None
    settings.FAILURE_LIMIT_IN_A_ROW = settings.FAILURE_LIMIT_PERCENT = 0
    flaky.runs.update({f"user-{number}-1": 9 for number in range(400)})  # mended
    Kind.objects.update(next_probe_at="2026-01-01T00:00:00Z")
    while Kind.objects.exists():
        tend_kinds()
    retry_all()
    assert {status for status, _ in statuses().values()} == {"processed"}


def test_a_signal_ends_it_at_the_border_of_a_batch(
    file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, ask_to_end: Callable[[], None]
) -> None:
    lines = [{**PLAIN, "payload": {"n": number}} for number in range(30_000)]
    written = write_hot_state

    def interrupted(settled: Any) -> None:
        written(settled)
        ask_to_end()

    before = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        patch.setattr(hot_state_writer, "write_hot_state", interrupted)
        printed = process_badly(file(*lines), "stopped; run it again to go on")
    assert signal.getsignal(signal.SIGTERM) == before
    count = len(statuses())
    assert 0 < count < 30_000
    assert printed == f"{count} applied, 0 already known, 0 refused"
    assert ImportRun.objects.get().ended_at is None
    assert process(file(*lines)) == f"{30_000 - count} applied, {count} already known, 0 refused"
    assert not HotStateOutbox.objects.exists()


def test_after_a_signal_lanes_wait_for_the_run_that_goes_on(
    file: Callable[..., Path], settings: Settings, monkeypatch: pytest.MonkeyPatch, ask_to_end: Callable[[], None]
) -> None:
    settings.SEQUENCE_GAP_TIMEOUT_MS = 0
    monkeypatch.setattr(lines_of_files, "PIECE_LINES", 10)
    path = file(*(numbered(seq) for seq in range(100, 0, -1)))
    heard = imports.heartbeat

    def interrupted(*arguments: Any, **counts: Any) -> None:
        heard(*arguments, **counts)
        ask_to_end()

    with monkeypatch.context() as patch:
        patch.setattr(imports, "heartbeat", interrupted)
        assert "held" in process_badly(path, "stopped; run it again to go on")
    assert import_gaps.pass_import_gaps() == 0
    process(path)
    assert set(statuses().values()) == {("processed", 1)}


def test_a_signal_while_lanes_are_released_leaves_the_rest_of_them_to_the_sweeper(
    file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, ask_to_end: Callable[[], None]
) -> None:
    monkeypatch.setattr(release, "LANES_AT_ONCE", 1)
    users = [f"user-{number}" for number in range(10)]
    process(file(*(numbered(2, user) for user in users)))
    released = release.ReadyLanes.release

    def interrupted(ready: release.ReadyLanes) -> BatchResult:
        result = released(ready)
        ask_to_end()
        return result

    with monkeypatch.context() as patch:
        patch.setattr(release.ReadyLanes, "release", interrupted)
        process_badly(file(*(numbered(1, user) for user in users)), "stopped; run it again to go on")
    waiting = {id for id, (status, _) in statuses().items() if status == "held"}
    assert waiting == {f"{user}-{seq}" for user in users[1:] for seq in (1, 2)}
    release.release_all(users)
    assert set(statuses().values()) == {("processed", 1)}
