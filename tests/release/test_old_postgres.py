"""A server that is too old for us is refused when a process starts, in a line."""

from __future__ import annotations

import platform
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventsite.local.services.postgres import Postgres
from tests.paths import ROOT
from tests.pipeline.conftest import MakeStack
from tests.release.debian import needs

POM = Path(__file__).with_name("postgres_13.xml")
FOLDER = ROOT / "var" / "postgres-13"  # kept, as Kafka's jars are
REFUSAL = "PostgreSQL 14 or later is required (found 13.22): DATABASE_URL is to name a server of PostgreSQL 14 to 18"

pytestmark = [
    pytest.mark.pipeline,
    needs("maven", "mvn"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="PostgreSQL 13 is fetched for x86_64 only"),
]


@pytest.fixture(scope="module")
def old_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    folder = tmp_path_factory.mktemp("old")
    with Postgres(folder / "postgres", durable=False, programs=_fetch(folder) / "bin") as service:
        yield service


@pytest.mark.parametrize("name", ["web", "consumer", "worker", "beat", "python manage.py migrate"])
def test_every_process_refuses_postgres_13_in_a_line(name: str, old_postgres: Postgres, make_stack: MakeStack) -> None:
    stack = make_stack(old_postgres.address)
    process = stack.run(name) if name.startswith("python") else stack.start(name)
    process.meant_to_run = False
    assert process.wait() == 1
    assert process.output().splitlines() == [REFUSAL]


def test_a_consumer_that_waited_for_its_database_refuses_it_too(old_postgres: Postgres, make_stack: MakeStack) -> None:
    stack = make_stack(old_postgres.address)
    old_postgres.stop()
    consumer = stack.start("consumer")
    consumer.meant_to_run = False
    stack.wait_until(lambda: "Postgres is not fit" in consumer.output(), "the consumer waits for Postgres")
    old_postgres.start_again()
    assert consumer.wait() == 1
    assert REFUSAL in consumer.output().splitlines()
    assert "Traceback" not in consumer.output()


def _fetch(folder: Path) -> Path:
    """PostgreSQL 13 itself, unpacked."""
    if not FOLDER.exists():
        maven = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
        subprocess.run(maven, check=True)
        [jar] = folder.glob("*.jar")
        draft = folder / "unpacked"
        with (
            zipfile.ZipFile(jar) as archive,
            archive.open("postgres-linux-x86_64.txz") as packed,
            tarfile.open(fileobj=packed, mode="r|xz") as files,
        ):
            files.extractall(draft, filter="data")
        FOLDER.parent.mkdir(exist_ok=True)
        shutil.move(draft, FOLDER)
    return FOLDER
