"""The services of a test session."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator, MutableMapping
from pathlib import Path

from eventsite.local.services.kafka import Kafka
from eventsite.local.services.postgres import Postgres
from eventsite.local.services.service import Service
from eventsite.local.services.tansu import Tansu
from eventsite.local.services.valkey import Valkey

KAFKA_LIBRARIES = Path(__file__).resolve().parent.parent / "var" / "kafka-libs"  # shared with `make services`


def start_services(environment: MutableMapping[str, str]) -> None:
    """Start what the environment does not name, and name it there. It all ends, data included, with this process."""
    folder = Path(tempfile.mkdtemp(prefix="eventsite-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for service in _services(folder, real_kafka=environment.get("TEST_KAFKA") == "real"):
        if not environment.get(service.variable):
            atexit.register(service.stop)
            environment[service.variable] = service.start()


def _services(folder: Path, *, real_kafka: bool) -> Iterator[Service]:
    # The broker first, so that it ends last: the session's clients complain of its absence until the process is gone.
    yield Kafka(folder / "kafka", KAFKA_LIBRARIES) if real_kafka else Tansu(folder / "broker")
    yield Postgres(folder / "postgres", durable=False)
    yield Valkey(folder / "redis")
