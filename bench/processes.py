"""Processes of a revision: lines of its Procfile and its commands, in its folder, with its own virtual environment."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.accounting import Usage, peak_mb
from eventsite.local.services import process as services
from eventsite.local.services.process import tail

STOP_WITHIN_S = 10  # contract 1
POLL_S = 0.02


class RunFailed(Exception):
    """A run that measured nothing: events were lost or refused, a process ended. The text says which."""


def command_of(root: Path, name: str) -> list[str]:
    """The line of the revision's Procfile that is this process."""
    text = (root / "Procfile").read_text(encoding="utf-8")
    lines = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return shlex.split(lines[name])


def with_path(root: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment, with the revision's programs first."""
    return {**environment, "PATH": f"{root / '.venv' / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}


class Running:
    """A process in a session of its own; its output goes to `log`."""

    def __init__(self, command: list[str], root: Path, environment: Mapping[str, str], log: Path) -> None:
        self.name = log.stem
        self.log = log
        with log.open("wb") as output:
            self._child = services.spawn(
                command,
                death_signal=signal.SIGKILL,
                output=output.fileno(),
                folder=root,
                environment=with_path(root, environment),
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    def require_running(self) -> None:
        """Raises `RunFailed`, with the end of its log."""
        if self._child.poll() is not None:
            raise RunFailed(f"{self.name} ended with status {self._child.returncode}\n{tail(self.log)}")

    def freeze(self) -> None:
        os.killpg(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.killpg(self.pid, signal.SIGCONT)

    def ask_to_stop(self) -> None:
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGTERM)

    def end(self) -> None:
        """Wait as long as a process may take to stop, then kill it and all that it started."""
        try:
            self._child.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            print(f"{self.name} did not stop within {STOP_WITHIN_S} s and was killed", file=sys.stderr)
        services.kill_group(self._child)

    def wait(self) -> Usage:
        """Wait for one that ends by itself; returns all it has used. Raises `RunFailed` when its status is not 0."""
        peak = 0.0
        while True:
            peak = max(peak, peak_mb(self.pid))
            pid, status, used = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self._child.returncode = os.waitstatus_to_exitcode(status)
                break
            time.sleep(POLL_S)
        if self._child.returncode:
            raise RunFailed(f"{self.name} ended with status {self._child.returncode}\n{tail(self.log)}")
        return Usage(used.ru_utime + used.ru_stime, peak)


def wait_until(condition: Callable[[], bool], timeout_s: float, problem: Callable[[], str]) -> None:
    """Poll until it is so. Raises `RunFailed` with the problem."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise RunFailed(f"{problem()} (after {timeout_s:g} s)")
        time.sleep(POLL_S)
