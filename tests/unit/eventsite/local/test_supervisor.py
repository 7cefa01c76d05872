"""Processes side by side: what they write, what becomes of a dead one, how they end."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from eventsite.local.supervisor import Supervisor, pause_before_restart_s

WAIT_S = 20.0


class Stage:
    """A supervisor with what it said."""

    def __init__(self, folder: Path, **programs: str) -> None:
        self.said: list[tuple[str, str]] = []
        commands = {name: shlex.join([sys.executable, "-u", "-c", program]) for name, program in programs.items()}
        self.supervisor = Supervisor(commands, os.environ, folder, lambda name, line: self.said.append((name, line)))

    def until(self, met: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_S
        while not met():
            assert time.monotonic() < deadline, self.said
            self.supervisor.step(0.05)

    def lines(self, name: str) -> list[str]:
        return [line for speaker, line in self.said if speaker == name]

    def stop(self, timeout_s: float = WAIT_S, *, hurry: bool = False) -> None:
        self.supervisor.stop(set(self.supervisor.children), timeout_s, lambda: hurry)


Setting = Callable[..., Stage]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Setting]:
    stages: list[Stage] = []

    def make(**programs: str) -> Stage:
        stages.append(Stage(tmp_path, **programs))
        return stages[-1]

    yield make
    for each in stages:
        each.stop(hurry=True)


@pytest.mark.parametrize(("deaths", "pause_s"), [(1, 0.5), (2, 1), (3, 2), (5, 8), (6, 10), (1000, 10)])
def test_the_pause_doubles_up_to_a_limit(deaths: int, pause_s: float) -> None:
    assert pause_before_restart_s(deaths) == pause_s


def test_what_each_writes_comes_by_lines_under_its_name(stage: Setting) -> None:
    sleep = "import time; time.sleep(60)"
    play = stage(one=f"print('a'); print('b'); {sleep}", two=f"import sys; print('c', file=sys.stderr); {sleep}")
    play.until(lambda: len(play.said) >= 3)
    assert play.lines("one") == ["a", "b"]
    assert play.lines("two") == ["c"]


def test_one_that_dies_starts_again_and_the_others_go_on(stage: Setting) -> None:
    play = stage(mortal="print('hello'); raise SystemExit(3)", steady="print('here'); import time; time.sleep(60)")
    play.until(lambda: play.lines("mortal").count("hello") >= 2 and bool(play.lines("steady")))
    assert "ended with status 3, starts again in 0.5 s" in play.lines("mortal")
    assert play.lines("steady") == ["here"]


def test_those_told_to_start_again_do_so_at_once_also_out_of_a_pause(stage: Setting) -> None:
    play = stage(steady="print('up'); import time; time.sleep(60)", mortal="raise SystemExit(1)")
    steady, mortal = play.supervisor.children.values()
    play.until(lambda: mortal.deaths == 3 and play.lines("steady") == ["up"])
    play.supervisor.restart(["steady", "mortal"])
    assert mortal.start_at is not None and mortal.start_at <= time.monotonic()
    play.until(lambda: play.lines("steady").count("up") == 2)
    assert "ended with status -15, starts again in 0 s" in play.lines("steady")
    assert steady.deaths == 0


def test_those_told_to_end_end_and_stay_down(stage: Setting) -> None:
    polite = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(print('bye'))); print('up');"
    play = stage(one=polite + "time.sleep(60)")
    play.until(lambda: play.lines("one") == ["up"])
    play.stop()
    play.supervisor.step(0)
    assert play.lines("one") == ["up", "bye", "ended"]


def test_one_that_does_not_end_in_time_is_killed_with_all_it_started(stage: Setting) -> None:
    deaf = "import signal, subprocess, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    play = stage(deaf=deaf + "print(subprocess.Popen(['sleep', '60']).pid); time.sleep(60)")
    play.until(lambda: bool(play.lines("deaf")))
    play.stop(0.1)
    assert play.lines("deaf")[1:] == ["does not end by itself: killed", "ended"]
    with pytest.raises(ProcessLookupError):
        wait_for_the_end_of(int(play.lines("deaf")[0]))


def wait_for_the_end_of(process_id: int) -> None:
    """Returns by `ProcessLookupError`: an orphan is buried by the system, a moment after it was killed."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        os.kill(process_id, 0)
        try:
            state = Path(f"/proc/{process_id}/stat").read_text().rpartition(") ")[2][0]
        except FileNotFoundError as error:  # buried since the line above
            raise ProcessLookupError from error
        if state == "Z":
            raise ProcessLookupError
        os.sched_yield()


def test_a_hard_end_of_ours_ends_the_children(stage: Setting, tmp_path: Path) -> None:
    program = f"""
import os, sys
from eventsite.local.supervisor import Supervisor
supervisor = Supervisor({{"child": "sleep 60"}}, os.environ, {str(tmp_path)!r}, print)
supervisor.step(0)
print(supervisor.children["child"].process.pid)
os.kill(os.getpid(), 9)
"""
    play = stage(ours=f"import sys; sys.path.insert(0, {str(Path.cwd())!r})\n{program}")
    play.until(lambda: any(line.isdecimal() for line in play.lines("ours")))
    child = next(int(line) for line in play.lines("ours") if line.isdecimal())
    with pytest.raises(ProcessLookupError):
        wait_for_the_end_of(child)
