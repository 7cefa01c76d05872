"""Runs processes side by side: their lines prefixed, a dead one started again, all of them ended in order."""

from __future__ import annotations

import os
import selectors
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from eventsite.local.services import process

LIVED_WELL_S = 30.0  # a process that lived this long and dies begins with the shortest pause again
LONGEST_PAUSE_S = 10.0
READ_BYTES = 65_536

Say = Callable[[str, str], None]  # a process's name and a line


def read_procfile(folder: Path) -> dict[str, str]:
    """The commands of the project in this folder, by name."""
    return dict(line.split(": ", 1) for line in (folder / "Procfile").read_text(encoding="utf-8").splitlines())


def pause_before_restart_s(deaths: int) -> float:
    """0.5, 1, 2, … seconds after the first, second, third death in a row."""
    return float(min(0.5 * 2 ** min(deaths - 1, 10), LONGEST_PAUSE_S))


class Child:
    """One line of the Procfile, and the process that runs it now."""

    def __init__(self, name: str, command: str) -> None:
        self.name = name
        self.command = command
        self.process: subprocess.Popen[bytes] | None = None
        self.output = -1
        self.unfinished = b""
        self.started_at = 0.0
        self.start_at: float | None = 0.0  # None while it runs and once it is meant to stay down
        self.deaths = 0
        self.wanted_anew = False  # it is told to end, to start again at once

    def start(self, environment: Mapping[str, str], folder: Path) -> None:
        self.output, write_end = os.pipe()
        os.set_blocking(self.output, False)
        self.process = process.spawn(
            shlex.split(self.command),
            death_signal=signal.SIGTERM,
            output=write_end,
            environment=environment,
            folder=folder,
        )
        os.close(write_end)
        self.started_at, self.start_at = time.monotonic(), None

    def read_lines(self) -> list[str]:
        """What it wrote since the last call, whole lines only."""
        try:
            *lines, self.unfinished = (self.unfinished + os.read(self.output, READ_BYTES)).split(b"\n")
        except BlockingIOError:
            return []
        return [line.decode(errors="replace") for line in lines]

    def close(self) -> list[str]:
        """After its end: what is left of its output."""
        lines = []
        while more := self.read_lines():
            lines += more
        if self.unfinished:
            lines.append(self.unfinished.decode(errors="replace"))
        os.close(self.output)
        self.process, self.unfinished = None, b""
        return lines

    def plan_restart(self) -> float:
        """Returns the pause in seconds."""
        if self.wanted_anew:
            self.wanted_anew, self.deaths, self.start_at = False, 0, time.monotonic()
            return 0.0
        lived_well = time.monotonic() - self.started_at >= LIVED_WELL_S
        self.deaths = 1 if lived_well else self.deaths + 1
        pause = pause_before_restart_s(self.deaths)
        self.start_at = time.monotonic() + pause
        return pause


class Supervisor:
    """To be used from the main thread, see `process.spawn`."""

    def __init__(self, commands: Mapping[str, str], environment: Mapping[str, str], folder: Path, say: Say) -> None:
        self.children = {name: Child(name, command) for name, command in commands.items()}
        self.environment = environment
        self.folder = folder
        self.say = say
        self._selector = selectors.DefaultSelector()

    def step(self, timeout_s: float) -> None:
        """Start what is due, pass on what they wrote, take note of who died."""
        for child in self.children.values():
            if child.start_at is not None and time.monotonic() >= child.start_at:
                child.start(self.environment, self.folder)
                self._selector.register(child.output, selectors.EVENT_READ, child)
        for key, _ in self._selector.select(timeout_s):
            self._say(key.data, key.data.read_lines())
        for child in self.children.values():
            if child.process is not None and child.process.poll() is not None:
                self._bury(child, meant=False)

    def restart(self, names: Collection[str]) -> None:
        """Have these start anew, without the pause of those that die; one that is in its pause starts at once."""
        for name in names:
            child = self.children[name]
            if child.process is not None:
                child.wanted_anew = True
                child.process.terminate()
            elif child.start_at is not None:
                child.start_at = time.monotonic()

    def stop(self, names: Collection[str], timeout_s: float, hurry: Callable[[], bool]) -> None:
        """End these: politely, by force when the time is over or when `hurry` says so."""
        going = [child for name, child in self.children.items() if name in names]
        for child in going:
            child.start_at = None
            if child.process is not None:
                child.process.terminate()
        deadline = time.monotonic() + timeout_s
        while any(child.process is not None for child in going):
            if time.monotonic() > deadline or hurry():
                for child in going:
                    self._kill(child)
            self._listen_to_the_end(going)

    def _listen_to_the_end(self, going: Collection[Child]) -> None:
        for key, _ in self._selector.select(0.1):
            self._say(key.data, key.data.read_lines())
        for child in self.children.values():
            if child.process is not None and child.process.poll() is not None:
                self._bury(child, meant=child in going)

    def _kill(self, child: Child) -> None:
        if child.process is not None and child.process.poll() is None:
            self.say(child.name, "does not end by itself: killed")
            process.kill_group(child.process)

    def _bury(self, child: Child, *, meant: bool) -> None:
        assert child.process is not None
        status = child.process.returncode
        process.kill_group(child.process)  # also what it left behind, which would keep its port
        self._selector.unregister(child.output)
        self._say(child, child.close())
        if meant:
            self.say(child.name, "ended")
        else:
            self.say(child.name, f"ended with status {status}, starts again in {child.plan_restart():g} s")

    def _say(self, child: Child, lines: Collection[str]) -> None:
        for line in lines:
            self.say(child.name, line)
