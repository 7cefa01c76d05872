"""SIGTERM and Ctrl-C, told to the threads of a command."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue


@contextmanager
def told_to_end(act: Callable[[], object]) -> Iterator[None]:
    """During the block the first of these signals calls `act`, in a thread of its own.

    Not in the handler: that interrupts the main thread anywhere, also where it holds the lock of the very flag (a
    `threading.Event`, say) that `act` is about to set, and both would wait for ever. A SimpleQueue can be put to there.
    """
    told: SimpleQueue[bool] = SimpleQueue()

    def listen() -> None:
        if told.get():
            act()

    threading.Thread(target=listen, name="signals", daemon=True).start()
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, lambda *_: told.put(True)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        told.put(False)  # nobody will call
