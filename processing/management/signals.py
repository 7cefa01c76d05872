"""SIGTERM and Ctrl-C, told to the threads of a command."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socket import socketpair
from typing import Any, NoReturn

TO_END = (signal.SIGTERM, signal.SIGINT)
TELL_S = 0.5


def take_signals() -> dict[signal.Signals, Any]:
    """Have these signals do nothing by themselves. Returns the handlers that they had. Within `told_to_end` a library
    may have put its own in their place."""
    return {number: signal.signal(number, lambda *_: None) for number in TO_END}


@contextmanager
def told_to_end(act: Callable[[], object]) -> Iterator[None]:
    """During the block the first of these signals calls `act`, in a thread of its own. Only for the main thread.

    Not in a handler, which runs between two bytecodes of the main thread. One that is just about to wait for a lock has
    none until that wait is over, be it an hour; and one that holds the lock of the very flag (a `threading.Event`, say)
    that `act` is about to set would wait for itself. The interpreter writes to its wakeup socket at once, in any case.
    """
    reading, writing = socketpair()

    def listen() -> None:
        while number := reading.recv(1):
            if number[0] in TO_END:
                act()
                return

    writing.setblocking(False)
    with reading, writing:
        listener = threading.Thread(target=listen, name="signals", daemon=True)
        listener.start()
        fd = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
        before = take_signals()
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(fd)
            writing.close()  # nobody will call
            listener.join()


def give_up(status: int, tell: Callable[[], object]) -> NoReturn:
    """End the process at once, and `tell` why if that can be: whoever reads its output may have stopped, so that a line
    waits for ever."""
    teller = threading.Thread(target=tell, name="last words", daemon=True)
    try:
        teller.start()
        teller.join(TELL_S)
    finally:
        os._exit(status)
