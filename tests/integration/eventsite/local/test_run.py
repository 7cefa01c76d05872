"""`make run`, in a copy of the project: it comes up, it ends, nothing is left behind, the data stays."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from eventsite import runfile
from eventsite.local.services.process import free_port
from tests.paths import ROOT

PARTS = ("manage.py", "Procfile", "eventsite", "processing", "ingest", "revenue")
WAIT_S = 60.0  # its own end may take 50: the front, the rest of the log, the rest of the processes
NEW_CODE = """
from django.http import JsonResponse
urlpatterns.insert(0, path("health/live", lambda request: JsonResponse({"code": "new"})))
"""


class Run:
    """A `make run` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.environment = {"PATH": os.environ["PATH"], "WEB_PORT": str(self.port)}
        self.process: subprocess.Popen[str] | None = None

    def start(self, *options: str) -> None:
        with (self.folder / "output").open("a") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "eventsite.local.run", *options],
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )
        self.until(self.is_ready)

    def is_ready(self) -> bool:
        return bool(self.tells("/health/ready"))

    def tells(self, path: str) -> dict[str, object]:
        """The answer; empty while there is none."""
        try:
            return self.ask(path)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return {}

    def ask(self, path: str, body: object = None) -> dict[str, object]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return dict(json.load(answer))

    def signal(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(WAIT_S)

    def until(self, met: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_S
        while not met():
            assert time.monotonic() < deadline, f"{self.output()}\nleft: {self.left_behind()}"
            time.sleep(0.1)

    def output(self) -> str:
        return (self.folder / "output").read_text()

    def losses(self) -> int:
        """How many a consumer has told, so far."""
        return self.output().count("messages left the log before they were read")

    def left_behind(self) -> list[str]:
        """The command lines of processes that work in this folder."""
        processes = [process for process in Path("/proc").iterdir() if process.name.isdecimal()]
        return [line for process in processes if (line := _command_line(process, self.folder)) is not None]


def _command_line(process: Path, folder: Path) -> str | None:
    """Of a process that works in the folder; None of any other."""
    try:
        if not process.joinpath("cwd").readlink().is_relative_to(folder):
            return None
        return process.joinpath("cmdline").read_text().replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError, PermissionError):  # ended meanwhile, or another user's
        return None


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, tmp_path / part)
    run = Run(tmp_path.resolve())
    yield run
    if run.process is not None and run.process.poll() is None:
        run.signal(signal.SIGKILL)


def test_the_data_outlives_both_a_hard_and_an_orderly_end(run: Run) -> None:
    run.start()
    run.ask("/events", {"userId": "u", "type": "t", "eventId": "one"})
    run.until(lambda: run.tells("/events/one").get("status") == "processed")
    run.signal(signal.SIGKILL)
    run.until(lambda: not run.left_behind())
    assert runfile.read_if_up(run.folder / "var" / "run.env") == {}

    run.start()
    assert run.ask("/events/one")["status"] == "processed"
    run.until(lambda: "degraded" in run.tells("/health/ready"))  # its log was not drained
    assert len({line for line in run.output().splitlines() if line.startswith("Admin login:")}) == 1
    assert runfile.read_if_up(run.folder / "var" / "run.env")["WEB_PORT"] == str(run.port)
    run.ask("/events/batch", {"events": [{"userId": f"u{n}", "type": "t"} for n in range(1000)]})
    assert run.signal(signal.SIGTERM) == 0
    assert "all that came in is processed" in run.output()
    assert run.left_behind() == []
    assert not (run.folder / "var" / "run.env").exists()
    told = run.losses()

    run.start()
    run.ask("/events", {"userId": "u", "type": "t", "eventId": "two"})
    run.until(lambda: run.tells("/events/two").get("status") == "processed")
    assert run.losses() == told > 0  # a log that was drained has lost nothing
    assert run.signal(signal.SIGTERM) == 0


def test_code_that_changes_is_what_answers_next(run: Run) -> None:
    run.start("--reload")
    urls = run.folder / "eventsite" / "urls.py"
    urls.write_text(urls.read_text() + NEW_CODE)
    run.until(lambda: run.tells("/health/live") == {"code": "new"})
    assert "code has changed: web, consumer, worker start again" in run.output()
    assert run.signal(signal.SIGTERM) == 0
    assert run.left_behind() == []


def test_a_taken_port_is_named_with_what_to_change(run: Run) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", run.port))
        other.listen()
        command = [sys.executable, "-m", "eventsite.local.run"]
        done = subprocess.run(
            command, cwd=run.folder, env=run.environment, capture_output=True, text=True, timeout=WAIT_S, check=False
        )
    assert done.returncode == 1
    assert done.stderr.startswith(f"WEB_PORT={run.port}: cannot listen on 127.0.0.1:{run.port}")
    assert done.stderr.count("\n") == 1
