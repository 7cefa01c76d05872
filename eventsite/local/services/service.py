"""What all embedded services share: a folder, a port, a process, a start and an end."""

from __future__ import annotations

import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from eventsite.local.services import process
from eventsite.local.services.process import ServiceFailed

START_ATTEMPTS = 3  # another process may take the free port before the service does


class Service(ABC):
    """A service on 127.0.0.1; a context manager. Its data stays in `folder` when it ends."""

    name: ClassVar[str]
    variable: ClassVar[str]  # that tells the site its address
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    forgets: ClassVar[bool] = False  # it keeps nothing on disk
    start_timeout_s: ClassVar[float] = 30
    stop_timeout_s: ClassVar[float] = 20

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.port = 0
        self.log = self.folder.with_suffix(".log")
        self.process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def address(self) -> str:
        """The value of the variable that tells the site where this is."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """What to run, once `prepare` is done."""

    def prepare(self) -> None:
        """What has to be there before the first start."""
        self.folder.mkdir(parents=True, exist_ok=True)

    def finish_start(self) -> None:  # noqa: B027 - most have nothing left to do
        """What is left to do when the port is open."""

    def start(self) -> str:
        """Start it on a free port and wait until it answers; returns its address. Raises `ServiceFailed`."""
        self.prepare()
        for attempt in range(1, START_ATTEMPTS + 1):
            self.port = process.free_port()
            try:
                self._start_once()
            except ServiceFailed:
                self.stop()
                if attempt == START_ATTEMPTS:
                    raise
            else:
                break
        return self.address

    def start_again(self) -> None:
        """After its death, on the same port. Raises `ServiceFailed`."""
        self.stop()
        self._start_once()

    def _start_once(self) -> None:
        with self.log.open("wb") as log:
            self.process = process.spawn(
                self.command(), death_signal=self.stop_signal, output=log.fileno(), folder=self.folder
            )
        process.wait_until_ready(self.name, self.process, self.is_ready, self.log, self.start_timeout_s)
        self.finish_start()

    def is_ready(self) -> bool:
        return process.port_is_open(self.port)

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        if self.process is not None:
            process.stop(self.process, self.stop_signal, self.stop_timeout_s)
            self.process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
