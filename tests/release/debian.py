"""Services as Debian ships them, each a process of the test's own, on loopback, its data in one folder."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from eventsite.local.services.process import free_port, spawn
from eventsite.local.services.service import Service
from tests.support.frozen import freeze, thaw

RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # the one in PATH wants to be another user


def needs(package: str, program: str | Path) -> pytest.MarkDecorator:
    """Skips a test where a program is missing, naming its package."""
    return pytest.mark.skipif(
        shutil.which(program) is None, reason=f"{Path(program).name} is not installed: apt-get install {package}"
    )


class RabbitMQ(Service):
    name = "RabbitMQ"
    variable = "CELERY_BROKER_URL"
    start_timeout_s = 90

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.home = self.folder / "home"
        self._ports = {"RABBITMQ_DIST_PORT": free_port(), "ERL_EPMD_PORT": free_port()}
        self._names: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def prepare(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        if self._names is None:  # Erlang's registry of names: else RabbitMQ starts one that outlives it
            port = str(self._ports["ERL_EPMD_PORT"])
            command = ["epmd", "-port", port, "-address", "127.0.0.1"]
            self._names = spawn(command, death_signal=self.stop_signal, folder=self.folder)

    def command(self) -> Sequence[str]:
        environment: dict[str, object] = {
            "HOME": self.home,
            "RABBITMQ_NODENAME": f"eventsite-{self._ports['RABBITMQ_DIST_PORT']}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": self.port,
            "RABBITMQ_MNESIA_BASE": self.folder / "mnesia",
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_ENABLED_PLUGINS_FILE": self.folder / "no-plugins",
            "RABBITMQ_CONF_ENV_FILE": self.folder / "none",
            "RABBITMQ_CONFIG_FILE": self.folder / "none",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            **self._ports,
        }
        return ["env", *(f"{name}={value}" for name, value in environment.items()), str(RABBITMQ)]

    def freeze(self) -> None:
        assert self.process is not None
        freeze(self.process.pid)

    def thaw(self) -> None:
        assert self.process is not None
        thaw(self.process.pid)

    def close(self) -> None:
        self.stop()
        if self._names is not None:
            self._names.terminate()
            self._names.wait()
            self._names = None


class DebianRedis(Service):
    """By TLS as well, if it is given a certificate and its key."""

    name = "Redis"
    variable = "REDIS_URL"

    def __init__(self, folder: Path, certificate: Path | None = None, key: Path | None = None) -> None:
        super().__init__(folder)
        self.certificate, self.key = certificate, key

    @property
    def address(self) -> str:
        return f"redis{'s' if self.certificate else ''}://127.0.0.1:{self.port}/0"

    def command(self) -> Sequence[str]:
        server = ["redis-server", "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", ""]
        if self.certificate is None:
            return [*server, "--port", str(self.port)]
        files = ["--tls-cert-file", str(self.certificate), "--tls-key-file", str(self.key)]
        return [*server, "--port", "0", "--tls-port", str(self.port), *files, "--tls-auth-clients", "no"]
