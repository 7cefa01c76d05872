"""What the wheel holds. It is installed, and driven, by tests/release/test_wheel.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from eventsite.local.run import PROCESSES
from eventsite.local.supervisor import read_procfile
from tests.paths import ROOT

APPS = ("processing", "ingest", "revenue", "eventsite")
BUILD = "from setuptools import setup; setup()"


def test_it_holds_every_file_of_the_apps_and_nothing_else(tmp_path: Path) -> None:
    command = [sys.executable, "-c", BUILD, "-q", "egg_info", "--egg-base", ".", "build_py", "--build-lib", "lib"]
    for name in ("pyproject.toml", "README.md", *APPS):
        (tmp_path / name).symlink_to(ROOT / name)
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    listed = subprocess.run(["git", "ls-files", *APPS], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    kept = {name for name in listed.splitlines() if (ROOT / name).is_file()}
    built = {file.relative_to(tmp_path / "lib").as_posix() for file in (tmp_path / "lib").rglob("*") if file.is_file()}
    assert built >= kept
    assert not {name for name in built - kept if name.split("/")[0] not in APPS}


def test_without_a_checkout_the_processes_are_those_of_the_procfile() -> None:
    checkout = {name: line.replace("manage.py", "-m eventsite") for name, line in read_procfile(ROOT).items()}
    assert checkout == PROCESSES
