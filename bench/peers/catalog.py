"""The peers: what each is, what it needs, and in which parts it is measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import consume, ingest
from bench.environments import PIP_INSTALL, Environment
from bench.ingest import BATCHES, SINGLES
from bench.measure import Measurement
from bench.revisions import Revision
from bench.site import Site

HERE = Path(__file__).resolve().parent
NODE = {"node": "Node.js 20 or later", "npm": "Node.js 20 or later"}
NPM_INSTALL = [["npm", "ci", "--no-audit", "--no-fund"]]
NPM_LOCKS = ["package.json", "package-lock.json", "Procfile"]
PIP_LOCKS = ["requirements.txt", "Procfile"]
TABLE = "stored"  # of schema.sql


@dataclass(frozen=True)
class Peer:
    """A folder that is laid out as a revision of ours; `few`: the most events that it is given, so slow it is."""

    label: str
    environment: Environment
    parts: Mapping[str, Callable[[Site, int], Measurement]]
    few: int | None = None

    @property
    def revision(self) -> Revision:
        return Revision(self.label, self.environment.folder, HERE / "schema.sql")


def _peer(
    label: str,
    environment: Environment,
    *,
    few: int | None = None,
    also: Sequence[str] = (),
) -> Peer:
    """A consumer that stores in Postgres."""
    return Peer(label, environment, {"stored": partial(consume.stored, table=TABLE, also=also)}, few)


def _python(name: str, *programs: str) -> Environment:
    return Environment(HERE / name, {}, [*PIP_LOCKS, *programs], PIP_INSTALL)


def _node(name: str, *programs: str) -> Environment:
    return Environment(HERE / name, NODE, [*NPM_LOCKS, *programs], NPM_INSTALL)


_GO = Environment(
    HERE / "go", {"go": "Go 1.26 or later"}, ["go.mod", "go.sum", "main.go", "Procfile"], [["go", "build", "."]]
)

PEERS = [
    _peer("Go: franz-go, pgx COPY", _GO),
    _peer("Node.js: KafkaJS, INSERT of many rows", _node("kafkajs", "consumer.mjs")),
    _peer("Quix Streams", _python("quixstreams", "consumer.py")),
    _peer("FastStream", _python("faststream", "consumer.py")),
    _peer("arroyo", _python("arroyo", "consumer.py")),
    _peer(
        "Celery, a task an event, Django's ORM",
        _python("celery", "settings.py", "models.py", "tasks.py", "consumer.py"),
        few=2_000,
        also=["worker"],
    ),
    Peer(
        "Node.js: Express, KafkaJS, Redis, no database",
        _node("express", "door.mjs", "view.mjs"),
        {
            "batches": partial(ingest.to_the_end, posts=BATCHES, processes=["web", "consumer"]),
            "singles": partial(ingest.taken, posts=SINGLES),
        },
    ),
]
PARTS = ("stored", "batches", "singles")
