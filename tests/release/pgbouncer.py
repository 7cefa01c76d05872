"""Debian's PgBouncer in front of a server, as `docs/operations.md` has it set up."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from configparser import ConfigParser
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

from eventsite.local.services.postgres import unprivileged
from eventsite.local.services.service import Service
from tests.paths import ROOT

PROGRAM = Path("/usr/sbin/pgbouncer")


class PgBouncer(Service):
    name = "PgBouncer"
    variable = "DATABASE_URL"
    stop_signal = signal.SIGTERM  # it cuts off everybody at once

    def __init__(self, folder: Path, database_url: str, **settings: str) -> None:
        """`settings` take the place of those in the docs."""
        super().__init__(folder)
        self.server = urlsplit(database_url)
        self.settings = settings

    @property
    def address(self) -> str:
        return f"{self.server.scheme}://{self.server.username}:{self.server.password}@{self.place}{self.server.path}"

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"

    def command(self) -> Sequence[str]:
        users = self.folder / "userlist.txt"
        users.write_text(f'"{self.server.username}" "{self.server.password}"\n', encoding="ascii")
        config = documented_config()
        database = self.server.path.removeprefix("/")
        config["databases"] = {database: f"host={self.server.hostname} port={self.server.port}"}
        own = {
            "listen_addr": "127.0.0.1",
            "listen_port": str(self.port),
            "unix_socket_dir": "",
            "auth_file": str(users),
        }
        config["pgbouncer"].update({**own, **self.settings})
        file = self.folder / "pgbouncer.ini"
        text = StringIO()
        config.write(text)
        file.write_text(text.getvalue(), encoding="ascii")
        return unprivileged([str(PROGRAM), str(file)])


def documented_config() -> ConfigParser:
    """The file that the docs recommend."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    config = ConfigParser()
    for block in re.findall(r"^```ini\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        if "[pgbouncer]" in block:
            config.read_string(block)
    return config
