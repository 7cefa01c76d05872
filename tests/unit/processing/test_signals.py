"""A signal may come at any instant, also while the main thread can run no handler or holds the flag's own lock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from processing.management.signals import told_to_end

NUMBERS = [signal.SIGTERM, signal.SIGINT]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_within_the_flags_own_lock_sets_it(number: int) -> None:
    stop = threading.Event()
    with told_to_end(stop.set):
        with stop._cond:  # type: ignore[attr-defined] # as `wait` has, for an instant
            os.kill(os.getpid(), number)
        assert stop.wait(10)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_that_does_not_wake_the_main_thread_is_told_all_the_same(number: int) -> None:
    """It comes to another thread: as if it came in the instant before the main thread begins to wait."""
    stop = threading.Event()

    def signalled() -> None:
        signal.pthread_kill(threading.get_ident(), number)

    with told_to_end(stop.set):
        threading.Timer(0.2, signalled).start()
        assert stop.wait(10)


def test_another_signal_is_not_ours() -> None:
    ended: list[bool] = []
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        with told_to_end(lambda: ended.append(True)):
            os.kill(os.getpid(), signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert not ended


def test_afterwards_the_handlers_are_as_they_were() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with told_to_end(lambda: None):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
    fd = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(fd)
    assert fd == -1


GIVES_UP = """
import os, sys
from processing.management.signals import give_up
os.set_blocking(2, False)
try:
    while True:
        os.write(2, b"x")
except BlockingIOError:
    os.set_blocking(2, True)
give_up(3, lambda: print("given up", file=sys.stderr, flush=True))
"""


def test_a_process_whose_output_nobody_reads_ends_all_the_same() -> None:
    with subprocess.Popen([sys.executable, "-c", GIVES_UP], stderr=subprocess.PIPE) as process:
        try:
            assert process.wait(60) == 3
        finally:
            process.kill()
