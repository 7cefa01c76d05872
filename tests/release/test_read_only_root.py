"""A read-only root with a small TMPDIR, as `docker run --read-only --tmpfs /tmp:size=1m` gives an image."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.paths import ROOT
from tests.pipeline.conftest import MakeStack
from tests.pipeline.processes import wait_until
from tests.pipeline.stack import Stack
from tests.release.debian import needs

pytestmark = [
    pytest.mark.pipeline,
    needs("util-linux", "unshare"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount: run this as root"),
]

COPIED = ("manage.py", "eventsite", "processing", "ingest", "revenue")  # as by the Dockerfile
SEALED = """
mount --bind / / && mount -o remount,bind,ro / && mount -t tmpfs -o size={size} tmpfs {tmp} || exit 98
cd {site}
! touch probe 2>/dev/null || exit 99
export TMPDIR={tmp} PYTHONDONTWRITEBYTECODE=
exec "$@"
"""
PRODUCTION = {"DEBUG": "0", "SECRET_KEY": "of this test alone", "HTTPS_ONLY": "0", "INGEST_REQUIRE_API_KEY": "0"}


@pytest.fixture
def stack(empty_database: str, make_stack: MakeStack) -> Stack:
    return make_stack(empty_database, **PRODUCTION)


@pytest.fixture
def site(tmp_path: Path, stack: Stack) -> Path:
    """The site as in the image: static files are collected."""
    folder = tmp_path / "site"
    folder.mkdir()
    for name in COPIED:
        source = ROOT / name
        shutil.copytree(source, folder / name) if source.is_dir() else shutil.copy2(source, folder / name)
    collect = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"]
    subprocess.run(collect, cwd=folder, env=stack.environment, check=True)
    return folder


@pytest.mark.parametrize("workers", [1, 2])
def test_prepare_and_web_run(stack: Stack, site: Path, tmp_path: Path, workers: int) -> None:
    prepare = stack.run(_sealed("python manage.py prepare --admin", site, tmp_path), ends=True)
    assert prepare.wait() == 0, prepare.output()
    assert "admin / " in prepare.output()
    web = stack.run(_sealed("python -m eventsite.web", site, tmp_path), WEB_WORKERS=str(workers))
    with httpx.Client(base_url=f"http://127.0.0.1:{stack.environment['WEB_PORT']}") as client:
        wait_until(lambda: _answers(client), 60, "the web server answers")
        for number in range(20):
            event = {"userId": f"u-{number}", "type": "page.viewed", "payload": {}}
            assert client.post("/events", json=event).status_code == 202
        assert client.get("/health/ready").status_code == 200
        assert client.get("/static/admin/css/base.css").status_code == 200
        assert 'door_events_total{status="accepted"} 20.0' in client.get("/metrics").text
    assert web.terminate() == 0


def test_workers_without_room_for_their_metrics_are_refused(stack: Stack, site: Path, tmp_path: Path) -> None:
    web = stack.run(_sealed("python -m eventsite.web", site, tmp_path, size="64k"), ends=True, WEB_WORKERS="2")
    assert web.wait() == 1
    [*_, line] = web.output().splitlines()
    assert line.startswith(f"WEB_WORKERS=2: {tmp_path / 'tmp'} has 64 KiB free for the workers' metrics: set TMPDIR")


def test_prepare_says_that_static_files_cannot_be_collected(stack: Stack, site: Path, tmp_path: Path) -> None:
    shutil.rmtree(site / "var")
    prepare = stack.run(_sealed("python manage.py prepare", site, tmp_path), ends=True)
    assert prepare.wait() == 1
    [*_, line] = prepare.output().splitlines()
    assert line.startswith("CommandError: the static files cannot be collected: [Errno 30] Read-only file system")


def _sealed(command: str, site: Path, folder: Path, size: str = "1m") -> str:
    tmp = folder / "tmp"
    tmp.mkdir(exist_ok=True)
    script = SEALED.format(site=shlex.quote(str(site)), tmp=shlex.quote(str(tmp)), size=size)
    return f"unshare --mount sh -c {shlex.quote(script)} sh {command}"


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/health/live").status_code == 200
    except httpx.TransportError:
        return False
