"""An environment below `var`: what a folder's lock files pin, installed there once for each state of them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.revisions import ROOT

INSTALL_S = 1200
PIP_INSTALL = [
    [sys.executable, "-m", "venv", ".venv"],
    [
        ".venv/bin/pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        "-r",
        "requirements.txt",
    ],
]


class ProgramFailed(Exception):
    """Says which, and what it wrote last."""


@dataclass(frozen=True)
class Environment:
    """`install` runs among the `locks` of the `source` folder; `tools`: by name, where they come from."""

    source: Path
    tools: Mapping[str, str]
    locks: Sequence[str]
    install: Sequence[Sequence[str]]

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def folder(self) -> Path:
        texts = [repr(self.install).encode(), *((self.source / lock).read_bytes() for lock in self.locks)]
        digest = hashlib.sha256(b"".join(texts))
        return ROOT / "var" / self.source.parent.name / f"{self.name}-{digest.hexdigest()[:12]}"

    def missing(self) -> list[str]:
        return [source for tool, source in self.tools.items() if not shutil.which(tool)]

    def prepare(self) -> None:
        """Install what the locks pin, unless it is there. Raises `ProgramFailed`."""
        ready = self.folder / ".installed"
        if ready.exists():
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        for lock in self.locks:
            shutil.copy(self.source / lock, self.folder)
        for command in self.install:
            run(command, self.folder, {}, INSTALL_S)
        ready.touch()


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str], timeout_s: int) -> str:
    """What a command prints. Raises `ProgramFailed` if its status is not 0, or after the timeout."""
    inherited = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    named = f"{' '.join(map(str, command))} in {folder}"
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={"LANG": "C.UTF-8", **inherited, **environment},
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ProgramFailed(f"{named} did not end within {timeout_s} s") from error
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise ProgramFailed(f"{named} ended with status {done.returncode}:\n{said[-2000:]}")
    return done.stdout.decode(errors="backslashreplace")
