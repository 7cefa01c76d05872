"""Drives the Procfile's processes through a failing event, in an environment made of requirements.txt alone.

The image has no more than that, and the development requirements hide what is missing from it. The services, and this
script, run in the development environment. Ends with a status other than 0, and what the processes wrote last, when a
process ends by itself, an event does not end as it should, or a process does not stop cleanly.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from eventsite.local import embedded
from eventsite.local.services import process as processes
from eventsite.local.supervisor import read_procfile

ROOT = Path(__file__).resolve().parent.parent
READY_WITHIN_S = 60
FINAL_WITHIN_S = 60
STOP_WITHIN_S = 10  # as every process promises
POLL_S = 0.1
OUTCOMES = {"fine": ("processed", 1), "failing": ("failed", 2)}  # status and attempts, by event id


class Failed(Exception):
    """Something is not as it should be; the text says what."""


class Site:
    """The processes of the Procfile, each with a log of its own in `folder`."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start_all(self) -> None:
        for name, line in read_procfile(ROOT).items():
            with self._log(name).open("wb") as log:
                self.running[name] = processes.spawn(
                    ["/bin/sh", "-c", f"exec {line}"],
                    death_signal=signal.SIGKILL,
                    output=log.fileno(),
                    folder=ROOT,
                    environment=self.environment,
                )
            say(f"{name} started: {line}")

    def wait_until(self, is_so: Callable[[], bool], what: str, within_s: float) -> None:
        """Raises `Failed` when it is not so in time, or a process ends meanwhile."""
        deadline = time.monotonic() + within_s
        while not is_so():
            self.require_all()
            if time.monotonic() > deadline:
                raise Failed(f"waited {within_s} s in vain until {what}")
            time.sleep(POLL_S)
        say(what)

    def require_all(self) -> None:
        for name, process in self.running.items():
            if process.poll() is not None:
                raise Failed(f"{name} ended by itself, with status {process.returncode}")

    def stop_all(self) -> None:
        """SIGTERM to all of them. Raises `Failed` if one does not end in time, and with status 0."""
        deadline = time.monotonic() + STOP_WITHIN_S
        for process in self.running.values():
            process.send_signal(signal.SIGTERM)
        for name, process in self.running.items():
            try:
                status = process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired as error:
                raise Failed(f"{name} was still there {STOP_WITHIN_S} s after SIGTERM") from error
            if status:
                raise Failed(f"{name} ended with status {status} after SIGTERM")
            say(f"{name} stopped")

    def kill_all(self) -> None:
        for process in self.running.values():
            processes.kill_group(process)

    def tails(self) -> str:
        return "\n".join(processes.tail(self._log(name)) for name in self.running)

    def ask(self, path: str, body: object = None) -> dict[str, object]:
        """The server's answer; empty when there is none yet, or an error."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.environment['WEB_PORT']}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return dict(json.load(answer))
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return {}

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"


def main() -> None:
    with TemporaryDirectory(prefix="eventsite-production-") as name:
        folder = Path(name)
        binaries = install(folder / "venv")
        with embedded.running(embedded.laptop_services(folder), say) as addresses:
            site = Site(folder, environment(binaries, addresses))
            run([str(binaries / "python"), "manage.py", "prepare"], site.environment)
            say("tables, topics and static files are there")
            try:
                drive(site)
            except Failed as error:
                sys.exit(f"{site.tails()}\n\nproduction: {error}")
            finally:
                site.kill_all()
    say("all is well with requirements.txt alone")


def install(folder: Path) -> Path:
    """Make a virtual environment of requirements.txt; returns where its programs are."""
    say("installing requirements.txt, and nothing else")
    run([sys.executable, "-m", "venv", str(folder)], os.environ)
    options = ["--quiet", "--disable-pip-version-check", "--require-hashes"]
    run([str(folder / "bin" / "pip"), "install", *options, "-r", "requirements.txt"], os.environ)
    return folder / "bin"


def environment(binaries: Path, addresses: Mapping[str, str]) -> dict[str, str]:
    """What the processes get, and no more: nothing of ours may lead them to the development environment."""
    return {
        **addresses,
        "PATH": f"{binaries}{os.pathsep}{os.defpath}",
        "HOME": os.environ.get("HOME", "/"),
        "IGNORE_ENV_FILES": "1",
        "PYTHONUNBUFFERED": "1",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "WEB_PORT": str(processes.free_port()),
        "INGEST_REQUIRE_API_KEY": "0",
        "FAULT_INJECTION": "1",
        "RETRY_MAX_RETRIES": "1",
        "RETRY_BACKOFF_MS": "50",
    }


def drive(site: Site) -> None:
    site.start_all()
    site.wait_until(lambda: bool(site.ask("/health/ready")), "the web server is ready", READY_WITHIN_S)
    for id, payload in (("failing", {"fail": True}), ("fine", {})):
        answer = site.ask("/events", {"eventId": id, "userId": f"user-{id}", "type": "production", "payload": payload})
        if answer.get("status") != "accepted":
            raise Failed(f"POST /events answered {answer} to the event {id!r}")
    say("two events are accepted")
    for id, outcome in OUTCOMES.items():
        site.wait_until(lambda: seen(site, id) == outcome, f"{id!r} is {outcome}", FINAL_WITHIN_S)  # noqa: B023 - at once
    site.require_all()
    site.stop_all()


def seen(site: Site, id: str) -> tuple[object, object]:
    event = site.ask(f"/events/{id}")
    return event.get("status"), event.get("attempts")


def run(command: list[str], variables: Mapping[str, str]) -> None:
    """Run a command in the project to its end. Ends us with its status if that is not 0."""
    done = subprocess.run(command, cwd=ROOT, env=dict(variables), check=False)
    if done.returncode:
        sys.exit(done.returncode)


def say(line: str) -> None:
    print(f"production: {line}", flush=True)


if __name__ == "__main__":
    main()
