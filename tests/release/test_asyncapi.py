"""AsyncAPI's own parser has nothing against the document of the topics."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import orjson
import pytest
from django.test import Client

from tests.paths import ROOT
from tests.release.debian import needs

OURS = Path(__file__).with_name("asyncapi")
FOLDER = ROOT / "var" / "asyncapi-parser"  # kept, as Kafka's jars are

pytestmark = [needs("nodejs", "node"), needs("npm", "npm")]


@pytest.fixture(scope="module")
def parser() -> Path:
    """The folder where it is installed."""
    lock = "package-lock.json"
    if not (FOLDER / lock).exists() or (FOLDER / lock).read_bytes() != (OURS / lock).read_bytes():
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(parents=True)
        shutil.copy(OURS / "package.json", FOLDER)
        shutil.copy(OURS / lock, FOLDER / "package-lock.json")
        done = subprocess.run(["npm", "ci", "--silent"], cwd=FOLDER, capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(FOLDER)
            pytest.fail(f"npm ci: {done.stdout}{done.stderr}")
    return FOLDER


def check(parser: Path, document: bytes) -> subprocess.CompletedProcess[bytes]:
    command = ["node", str(OURS / "check.mjs"), str(parser)]
    return subprocess.run(command, input=document, capture_output=True, check=False)


def test_the_parser_takes_the_document(client: Client, parser: Path) -> None:
    done = check(parser, client.get("/asyncapi").content)
    assert done.returncode == 0, done.stdout + done.stderr
    # a newer version of the format is told, not every reader knows that
    assert {line.split()[1] for line in done.stdout.splitlines()} <= {b"asyncapi-latest-version"}


def test_the_parser_does_not_take_any_document(client: Client, parser: Path) -> None:
    """It does not look at examples in version 3: tests/integration/ingest/test_asyncapi.py does."""
    document = orjson.loads(client.get("/asyncapi").content)
    document["channels"]["events"]["messages"]["event"]["payload"]["type"] = "nonsense"
    done = check(parser, orjson.dumps(document))
    assert (done.returncode, b"channels.events.messages.event.payload.type" in done.stdout) == (1, True), done.stdout
