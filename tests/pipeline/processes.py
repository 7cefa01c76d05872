"""The processes of the Procfile, started as any operator would, and killed as no operator would."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from eventsite.local.services import process as services
from eventsite.local.supervisor import read_procfile
from tests.paths import ROOT
from tests.support.frozen import freeze, thaw

STOP_WITHIN_S = 10  # contract 1
END_WITHIN_S = 240
POLL_S = 0.03
LONGEST_POLL_S = 0.3
PAUSE_FOR_A_LOOK = 10  # a look at many rows takes from what it waits for: a tenth of the time at most
LOG_TAIL_LINES = 60


def command_of(name: str) -> str:
    """The line of the Procfile that is this process."""
    return read_procfile(ROOT)[name]


class Process:
    """A running process in a group of its own; its output goes to `log`."""

    def __init__(self, command: str, environment: Mapping[str, str], log: Path, folder: Path = ROOT) -> None:
        self.log = log
        self.meant_to_run = True
        with log.open("wb") as output:
            self._child: subprocess.Popen[bytes] = services.spawn(
                shlex.split(command),
                death_signal=signal.SIGKILL,
                output=output.fileno(),
                folder=folder,
                environment={
                    **environment,
                    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
                    "PYTHONUNBUFFERED": "1",
                },
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    def is_running(self) -> bool:
        return self._child.poll() is None

    def status(self) -> int | None:
        """The exit status; below 0 the signal that ended it, None while it runs."""
        return self._child.poll()

    def kill(self) -> None:
        """SIGKILL, to all of it."""
        self.meant_to_run = False
        services.kill_group(self._child)

    def terminate(self) -> int:
        """SIGTERM; returns the exit status. Raises `subprocess.TimeoutExpired` when it takes longer than it may."""
        self.meant_to_run = False
        self._child.send_signal(signal.SIGTERM)
        return self._child.wait(STOP_WITHIN_S)

    def wait(self, timeout_s: float = END_WITHIN_S) -> int:
        """The exit status of one that ends by itself. Raises `subprocess.TimeoutExpired`."""
        return self._child.wait(timeout_s)

    def freeze(self) -> None:
        freeze(self.pid)

    def thaw(self) -> None:
        thaw(self.pid)

    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def tail(self) -> str:
        lines = self.output().splitlines()[-LOG_TAIL_LINES:]
        return "\n".join([f"--- {self.log.name}", *(line[:400] for line in lines)])


def wait_until(condition: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Poll until it is so. The timeout only bounds how long a broken pipeline is waited for."""
    began = looked = time.monotonic()
    while not condition():
        now = time.monotonic()
        assert now < began + timeout_s, f"waited {timeout_s:g} s in vain until {what}"
        time.sleep(min(max(POLL_S, (now - looked) * PAUSE_FOR_A_LOOK), LONGEST_POLL_S))
        looked = time.monotonic()
