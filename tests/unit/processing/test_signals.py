"""A signal may come at any instant, also while the main thread holds the lock of the flag that it is to set."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from processing.management.signals import told_to_end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_within_the_flags_own_lock_sets_it(number: int) -> None:
    stop = threading.Event()
    with told_to_end(stop.set):
        with stop._cond:  # type: ignore[attr-defined] # as `wait` has, for an instant
            os.kill(os.getpid(), number)
        assert stop.wait(10)


def test_afterwards_the_handlers_are_as_they_were() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with told_to_end(lambda: None):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
