"""Real Kafka clusters that a laptop does not have: with passwords and ACLs, without a protocol, of three brokers."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from eventsite.local.services import process
from eventsite.local.services.kafka import PROPERTIES, Kafka
from tests.services import KAFKA_LIBRARIES

USER, PASSWORD = "app", "s3cret-of-app"
MEMORY = "-Xmx384m"
ANSWER_S = 30

needs_java = pytest.mark.skipif(
    not (shutil.which("java") and shutil.which("mvn")), reason="a real Kafka needs Java and Maven"
)
# Of a repeated property the last counts: each is the plain node with some lines more.
SECURED = f"""{PROPERTIES}\
listeners=SASL_PLAINTEXT://127.0.0.1:{{port}},PLAINTEXT://127.0.0.1:{{plain_port}},CONTROLLER://127.0.0.1:{{controller_port}}
advertised.listeners=SASL_PLAINTEXT://127.0.0.1:{{port}},PLAINTEXT://127.0.0.1:{{plain_port}}
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=SASL_PLAINTEXT:SASL_PLAINTEXT,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
user_{{user}}="{{password}}";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""
ENCRYPTED = f"""{PROPERTIES}\
listeners=SSL://127.0.0.1:{{port}},PLAINTEXT://127.0.0.1:{{plain_port}},CONTROLLER://127.0.0.1:{{controller_port}}
advertised.listeners=SSL://127.0.0.1:{{port}},PLAINTEXT://127.0.0.1:{{plain_port}}
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=SSL:SSL,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
ssl.keystore.type=PEM
ssl.keystore.location={{certificate}}
"""
ONE_OF_THREE = f"""{PROPERTIES}\
node.id={{node}}
controller.quorum.voters={{voters}}
offsets.topic.replication.factor=3
broker.session.timeout.ms=6000
replica.lag.time.max.ms=4000
"""


class VariedKafka(Kafka):
    """A node with properties of its own: `template`, with `values` in it."""

    def __init__(self, folder: Path, template: str, **values: object) -> None:
        super().__init__(folder, KAFKA_LIBRARIES)
        self.template = template
        self.values = values

    def command(self) -> Sequence[str]:
        data = self.folder / "data"
        self.values.setdefault("controller_port", process.free_port())
        self.properties.write_text(self.template.format(data=data, port=self.port, **self.values), encoding="utf-8")
        if not (data / "meta.properties").exists():
            self._format()
        return [*self._java(MEMORY), "kafka.Kafka", str(self.properties)]


class SecuredKafka(VariedKafka):
    """`address` asks for a password, and lets `USER` do what `allow` has allowed; `plain_address` lets all do all."""

    def __init__(self, folder: Path) -> None:
        self.plain_port = process.free_port()
        super().__init__(folder, SECURED, plain_port=self.plain_port, user=USER, password=PASSWORD)

    @property
    def plain_address(self) -> str:
        return f"127.0.0.1:{self.plain_port}"

    def environment(self, password: str = PASSWORD) -> dict[str, str]:
        """Of a process that comes by the address with a password."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.address,
            "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA_SECURITY_SASL_MECHANISM": "PLAIN",
            "KAFKA_SECURITY_SASL_USERNAME": USER,
            "KAFKA_SECURITY_SASL_PASSWORD": password,
        }

    def allow(self, kind: ResourceType, name: str, *rights: AclOperation) -> None:
        entries = [
            AclBinding(kind, name, ResourcePatternType.LITERAL, f"User:{USER}", "*", right, AclPermissionType.ALLOW)
            for right in rights
        ]
        admin = AdminClient({"bootstrap.servers": self.plain_address})
        for made in admin.create_acls(entries).values():
            made.result(ANSWER_S)


def certificate(folder: Path, name: str) -> Path:
    """A key and a certificate for 127.0.0.1, signed by itself, in one file."""
    key, own = folder / f"{name}.key", folder / f"{name}.crt"
    options = ["-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    _run(["openssl", "req", "-x509", *options, *names, "-keyout", str(key), "-out", str(own)])
    both = folder / f"{name}.pem"
    both.write_text(key.read_text() + own.read_text())
    return both


def without_the_consumer_protocol(folder: Path) -> VariedKafka:
    """A cluster whose groups have the classic protocol only."""
    return VariedKafka(folder, f"{PROPERTIES}group.coordinator.rebalance.protocols=classic\n")


class Member(VariedKafka):
    """One of the brokers of a cluster: all have the cluster's id, and none is ready before most are there."""

    cluster = ""

    def begin(self) -> None:
        with self.log.open("ab") as log:
            self.process = process.spawn(
                self.command(), death_signal=self.stop_signal, output=log.fileno(), folder=self.folder
            )

    def wait(self) -> None:
        assert self.process is not None
        process.wait_until_ready(self.name, self.process, self.is_ready, self.log, self.start_timeout_s)

    def _format(self) -> None:
        tool = [*self._java(), "kafka.tools.StorageTool", "format"]
        _run([*tool, "-t", self.cluster, "-c", str(self.properties)])


@contextmanager
def three_brokers(folder: Path) -> Iterator[list[Member]]:
    """A cluster whose topics have one copy by default, as Kafka's own default is."""
    controllers = {node: process.free_port() for node in (1, 2, 3)}
    voters = ",".join(f"{node}@127.0.0.1:{port}" for node, port in controllers.items())
    brokers = [
        Member(folder / f"kafka-{node}", ONE_OF_THREE, node=node, voters=voters, controller_port=port)
        for node, port in controllers.items()
    ]
    for broker in brokers:
        broker.cluster = "4L6g3nShT-eMCtK--X86sw"
        broker.port = process.free_port()
        broker.prepare()
    try:
        for broker in brokers:
            broker.begin()
        for broker in brokers:
            broker.wait()
        yield brokers
    finally:
        for broker in brokers:
            broker.stop()


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, capture_output=True, check=True)
