"""The moment at which this process is asked to end, whoever handles the signal."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable

NUMBERS = bytes([signal.SIGTERM, signal.SIGINT])
_kept: list[socket.socket] = []  # the interpreter writes to it from its signal handler


def on_termination(work: Callable[[], None]) -> None:
    """Call `work` in a thread of its own once. To be called from the main thread; handlers stay as they are."""
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    _kept[:] = [reader, writer]
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)

    def wait() -> None:
        while (number := reader.recv(1)) and number not in NUMBERS:
            pass
        work()

    threading.Thread(target=wait, name="termination", daemon=True).start()
