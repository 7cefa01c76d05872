"""A real Apache Kafka, one node, its jars fetched by Maven."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from eventsite.local.services import process
from eventsite.local.services.process import ServiceFailed
from eventsite.local.services.service import Service

POM = Path(__file__).with_name("pom.xml")
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
"""


class Kafka(Service):
    name = "Kafka"
    variable = "KAFKA_BOOTSTRAP_SERVERS"
    start_timeout_s = 60

    def __init__(self, folder: Path, libraries: Path) -> None:
        super().__init__(folder)
        self.libraries = libraries.resolve()
        self.properties = self.folder / "server.properties"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def prepare(self) -> None:
        super().prepare()
        fetch_libraries(self.libraries)

    def command(self) -> Sequence[str]:
        data = self.folder / "data"
        ports = {"port": self.port, "controller_port": process.free_port()}
        self.properties.write_text(PROPERTIES.format(data=data, **ports), encoding="utf-8")
        if not (data / "meta.properties").exists():
            self._format()
        return [*self._java("-Xmx1g"), "kafka.Kafka", str(self.properties)]

    def _format(self) -> None:
        tool = [*self._java(), "kafka.tools.StorageTool"]
        cluster = _output([*tool, "random-uuid"]).split()[-1]
        _output([*tool, "format", "-t", cluster, "-c", str(self.properties)])

    def _java(self, *options: str) -> list[str]:
        return ["java", *options, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{self.libraries}/*"]


def fetch_libraries(folder: Path) -> None:
    """Download the jars, unless they are there. Raises `ServiceFailed`."""
    if folder.exists():
        return
    missing = [tool for tool in ("java", "mvn") if not shutil.which(tool)]
    if missing:
        raise ServiceFailed(f"A real Kafka needs {' and '.join(missing)}: install Java 17 or later and Maven")
    draft = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(draft, ignore_errors=True)
    maven = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"]
    _output([*maven, f"-DoutputDirectory={draft}"])
    draft.replace(folder)


def _output(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServiceFailed(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr).strip()}")
    return done.stdout
