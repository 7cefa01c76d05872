"""A group of processes that is killed."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from eventsite.local.services.process import free_port, kill_group, port_is_open, spawn, wait_until_ready

HELD_MB = 200  # the kernel takes it back before it closes the port, for some 10 ms
PROGRAM = f"""
import os, socket, sys, time
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
if os.fork() == 0:
    held = b"x" * ({HELD_MB} << 20)
    os.write(1, b"up")
time.sleep(60)
"""


def test_the_port_of_a_killed_server_is_free_also_if_a_worker_of_it_holds_it(tmp_path: Path) -> None:
    port = free_port()
    log = tmp_path / "log"
    with log.open("wb") as output:
        command = [sys.executable, "-c", PROGRAM, str(port)]
        server = spawn(command, death_signal=signal.SIGKILL, output=output.fileno())
    try:
        wait_until_ready("the server", server, lambda: log.read_bytes() == b"up", log, timeout_s=20)
        assert port_is_open(port)
    finally:
        kill_group(server)
    assert not port_is_open(port)
