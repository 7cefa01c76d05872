"""The services that all revisions run on: durable Postgres, Redis with its log, a real Kafka where it can be."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from redis import Redis

from bench.processes import wait_until
from bench.revisions import ROOT
from eventsite.local.services.kafka import Kafka
from eventsite.local.services.postgres import Postgres
from eventsite.local.services.service import Service
from eventsite.local.services.tansu import Tansu
from eventsite.local.services.valkey import Valkey

REWRITE_S = 30


@dataclass
class Services:
    """Addresses, the processes by name, and the databases that were migrated for a revision, by its folder."""

    folder: Path
    database: str
    redis: str
    kafka: str
    real_kafka: bool
    pids: dict[str, int]
    templates: dict[Path, str] = field(default_factory=dict)

    def versions(self) -> str:
        with psycopg.connect(self.database) as connection:
            postgres = connection.info.parameter_status("server_version")
        with Redis.from_url(self.redis, decode_responses=True) as redis:
            told = redis.info("server")
        jars = [jar.stem.removeprefix("kafka-clients-") for jar in _libraries().glob("kafka-clients-*.jar")]
        kafka = (
            f"Apache Kafka {jars[0]}" if self.real_kafka else "the embedded broker (a real Kafka needs java and mvn)"
        )
        return f"{kafka}, Postgres {postgres}, Valkey {told.get('valkey_version', told['redis_version'])}"

    def empty(self) -> None:
        """Redis with nothing in it and a new log, Postgres with all of it on disk: what came before costs nothing."""
        with Redis.from_url(self.redis) as redis:
            redis.flushall()
            redis.bgrewriteaof()

            def rewritten() -> bool:
                told = redis.info("persistence")
                return not (told["aof_rewrite_in_progress"] or told["aof_rewrite_scheduled"])

            wait_until(rewritten, REWRITE_S, lambda: "Redis still rewrites its log")
        with psycopg.connect(self.database, autocommit=True) as connection:
            connection.execute("CHECKPOINT")


@contextmanager
def services(*, embedded_broker: bool) -> Iterator[Services]:
    """All services, up during the block; their data goes with it."""
    real = not embedded_broker and bool(shutil.which("java")) and (_libraries().exists() or bool(shutil.which("mvn")))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True)))
        folder.chmod(0o755)  # Postgres may run as another user
        broker: Service = Kafka(folder / "kafka", _libraries()) if real else Tansu(folder / "broker")
        postgres, redis = Postgres(folder / "postgres"), Valkey(folder / "redis")
        up: dict[str, Service] = {"Postgres": postgres, "Redis": redis, "Kafka": broker}
        for service in up.values():
            stack.enter_context(service)
        pids = {name: service.process.pid for name, service in up.items() if service.process is not None}
        yield Services(folder, postgres.address, redis.address, broker.address, real, pids)


def _libraries() -> Path:
    return ROOT / "var" / "kafka-libs"
