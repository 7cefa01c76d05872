"""A child process that ends with us, whatever ends us."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from eventsite.parent import die_with_parent

POLL_S = 0.05
LOG_TAIL_LINES = 15
GONE_POLL_S = 0.002
GONE_WITHIN_S = 5  # a killed process ends in milliseconds; later what is left is dead, and nobody buries it
# Not one of those that the kernel gives to outgoing connections: before the service listens, or while it is down, any
# connection could be given it, even that of a client which tries to reach the service.
PORTS = range(20_000, 32_000)
PORTS_TRIED = 100

_chance = random.SystemRandom()  # as many processes look for a port at once, none may follow the same seed
_given: set[int] = set()  # by this process: whoever asked for one may not listen there yet


class ServiceFailed(Exception):
    """A service did not come up; the text says which, and what its log says."""


def spawn(
    command: Sequence[str],
    *,
    death_signal: signal.Signals,
    output: int | None = None,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, so that a Ctrl-C in the terminal reaches only us.

    To be called from the main thread: the kernel takes the end of the starting thread for the end of the parent.
    """
    parent = os.getpid()

    def prepare() -> None:
        die_with_parent(death_signal)
        if os.getppid() != parent:  # it ended before we could ask to be told
            os._exit(1)

    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        cwd=folder,
        env=environment,
        start_new_session=True,
        preexec_fn=prepare,
    )


def stop(process: subprocess.Popen[bytes], number: signal.Signals, timeout_s: float) -> bool:
    """Ask the process to end, kill it and what it started if it does not. Returns whether it ended by itself."""
    if process.poll() is None:
        process.send_signal(number)
    try:
        process.wait(timeout_s)
        ended = True
    except subprocess.TimeoutExpired:
        ended = False
    kill_group(process)
    return ended


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the process's whole session, also what outlived it, and wait until nobody is left who keeps its ports."""
    until = time.monotonic() + GONE_WITHIN_S
    try:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        while time.monotonic() < until:
            time.sleep(GONE_POLL_S)
            os.killpg(process.pid, 0)
    except ProcessLookupError:
        pass  # nobody is left
    except PermissionError:
        process.kill()  # macOS says so of a session that consists of zombies
    process.wait()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has, another one each time. Raises `ServiceFailed`."""
    for port in _chance.sample(PORTS, PORTS_TRIED):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _given:
                _given.add(port)
                return port
    raise ServiceFailed(f"none of {PORTS_TRIED} ports from {PORTS[0]} to {PORTS[-1]} is free")


def port_is_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until_ready(
    name: str, process: subprocess.Popen[bytes], is_ready: Callable[[], bool], log: Path, timeout_s: float
) -> None:
    """Raises `ServiceFailed` when the process ends or is not ready in time."""
    deadline = time.monotonic() + timeout_s
    while not is_ready():
        if process.poll() is not None:
            raise ServiceFailed(f"{name} ended with status {process.returncode}.\n{tail(log)}")
        if time.monotonic() > deadline:
            raise ServiceFailed(f"{name} was not ready within {timeout_s:g} s.\n{tail(log)}")
        time.sleep(POLL_S)


def tail(log: Path) -> str:
    """The last lines of a log, below its name."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    return "\n".join([f"{log}:", *lines[-LOG_TAIL_LINES:]])
