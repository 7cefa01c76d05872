"""The wheel, installed into an empty environment: it carries a team's project, and the reference site."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from eventsite.local.services.process import free_port
from tests.paths import ROOT
from tests.pipeline.processes import Process, wait_until


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The interpreter of an environment with the wheel, its extra `local` and what that needs, from the index."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.rmtree(ROOT / "build", ignore_errors=True)  # setuptools would put in what an earlier one held
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder / "dist"), str(ROOT)]
    subprocess.run(pip, check=True)
    (wheel,) = (folder / "dist").glob("eventsite-*.whl")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    made = folder / "venv" / "bin" / "python"
    subprocess.run([made, "-m", "pip", "install", "--quiet", f"{wheel}[local,pydantic]"], check=True)
    yield made


@pytest.mark.timeout(600)
def test_a_teams_project_runs_on_it(python: Path) -> None:
    environment = {**os.environ, "TEST_WHEEL_PYTHON": str(python)}
    command = [sys.executable, "-m", "pytest", "-q", "tests/pipeline/test_own_project.py"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


@pytest.mark.timeout(600)
def test_the_reference_site_runs_from_it(python: Path, tmp_path: Path) -> None:
    port = free_port()
    environment = {"WEB_PORT": str(port), "IGNORE_ENV_FILES": "1", "HOME": os.environ.get("HOME", "/")}
    site = Process(f"{python} -m eventsite.run", environment, tmp_path / "run.log", tmp_path)
    try:
        wait_until(lambda: "ready:" in site.output(), 120, "the site is ready")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            event = {"userId": "u", "type": "t", "eventId": "e"}
            assert client.post("/events", json=event).status_code == 202
            wait_until(lambda: client.get("/events/e").json()["status"] == "processed", 60, "the event is processed")
            assert client.get("/static/processing/admin.css").status_code == 200
        os.kill(site.pid, signal.SIGTERM)
        assert site.wait() == 0
        assert (tmp_path / "var").is_dir()
    finally:
        print(site.tail())
        site.kill()
