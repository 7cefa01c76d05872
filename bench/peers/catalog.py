"""The peers: what each is, what it needs, and in which parts it is measured."""

from __future__ import annotations

import shutil
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
TABLE = "stored"  # of schema.sql


@dataclass(frozen=True)
class Peer:
    """A folder that is laid out as a revision of ours; `few`: the most events that it is given, so slow it is."""

    label: str
    environment: Environment
    parts: Mapping[str, Callable[[Site, int], Measurement]]
    few: int | None = None

    def prepare(self) -> None:
        """Install what it needs, and put its programs there as they are now. Raises `ProgramFailed`."""
        self.environment.prepare()
        shutil.copytree(self.environment.source, self.environment.folder, dirs_exist_ok=True)

    @property
    def revision(self) -> Revision:
        return Revision(self.label, self.environment.folder, HERE / "schema.sql")


def _consumer(label: str, environment: Environment, *, few: int | None = None, also: Sequence[str] = ()) -> Peer:
    """What stores in Postgres."""
    return Peer(label, environment, {"stored": partial(consume.stored, table=TABLE, also=also)}, few)


def _python(name: str) -> Environment:
    return Environment(HERE / name, {}, ["requirements.txt"], PIP_INSTALL)


def _node(name: str) -> Environment:
    tools = dict.fromkeys(("node", "npm"), "Node.js 20 or later")
    return Environment(
        HERE / name, tools, ["package.json", "package-lock.json"], [["npm", "ci", "--no-audit", "--no-fund"]]
    )


_GO = Environment(HERE / "go", {"go": "Go 1.26 or later"}, ["go.mod", "go.sum"], [["go", "mod", "download"]])

PEERS = [
    _consumer("Go: franz-go, pgx COPY", _GO),
    _consumer("Node.js: KafkaJS, INSERT of many rows", _node("kafkajs")),
    _consumer("Quix Streams", _python("quixstreams")),
    _consumer("FastStream", _python("faststream")),
    _consumer("arroyo", _python("arroyo")),
    _consumer(
        "Celery, a task an event, Django's ORM",
        _python("celery"),
        few=2_000,
        also=["worker"],
    ),
    Peer(
        "Node.js: Express, KafkaJS, Redis, no database",
        _node("express"),
        {
            "batches": partial(ingest.to_the_end, posts=BATCHES, processes=["web", "consumer"]),
            "singles": partial(ingest.taken, posts=SINGLES),
        },
    ),
]
PARTS = {"stored": 100_000, "batches": 100_000, "singles": 4_000}  # events, at most
