"""One environment a language: what its lock files pin, installed below `var/interop`. A program is a single file."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = HERE.parent / "var" / "interop"
INSTALL_S = 1200
PROGRAM_S = 900  # the first one of a language may have to be compiled with all that it uses


class ProgramFailed(Exception):
    """Says which, and what it wrote last."""


@dataclass(frozen=True)
class Language:
    """`install` fills the folder, once for each state of the `locks`; `command` runs a program that lies in it."""

    name: str
    suffix: str
    tools: Mapping[str, str]  # by name, where they come from
    locks: Sequence[str]
    install: Sequence[Sequence[str]]
    command: Callable[[Path], Sequence[str]]

    @property
    def folder(self) -> Path:
        digest = hashlib.sha256(b"".join((HERE / self.name / lock).read_bytes() for lock in self.locks))
        return CACHE / f"{self.name}-{digest.hexdigest()[:12]}"

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
            shutil.copy(HERE / self.name / lock, self.folder)
        for command in self.install:
            run(command, self.folder, {}, INSTALL_S)
        ready.touch()

    def programs(self) -> dict[str, Path]:
        return {path.stem.lower(): path for path in sorted((HERE / self.name).glob(f"*{self.suffix}"))}

    def run(self, program: Path, environment: Mapping[str, str]) -> str:
        """What a program prints, once it has ended. Raises `ProgramFailed`."""
        return self.run_text(program.name, program.read_text(encoding="utf-8"), environment)

    def run_text(self, name: str, text: str, environment: Mapping[str, str]) -> str:
        """The same of a program that lies in no file."""
        program = self.folder / name
        program.write_text(text, encoding="utf-8")
        return run(self.command(program), self.folder, environment, PROGRAM_S)


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


LANGUAGES = [
    Language(
        "go",
        ".go",
        {"go": "Go 1.26 or later"},
        ["go.mod", "go.sum"],
        [["go", "mod", "download"]],
        lambda program: ["go", "run", program.name],
    ),
    Language(
        "java",
        ".java",
        {"java": "apt-get install openjdk-17-jdk-headless", "mvn": "apt-get install maven"},
        ["pom.xml"],
        [["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=."]],
        lambda program: ["java", "-Dfile.encoding=UTF-8", "-cp", "*", program.name],
    ),
    Language(
        "node",
        ".mjs",
        {"node": "Node.js 20 or later", "npm": "Node.js 20 or later"},
        ["package.json", "package-lock.json"],
        [["npm", "ci", "--no-audit", "--no-fund"]],
        lambda program: ["node", program.name],
    ),
    Language(
        "php",
        ".php",
        {"php": "apt-get install php-cli php-curl"},
        [],
        [],
        lambda program: ["php", program.name],
    ),
    Language(
        "python",
        ".py",
        {},
        ["requirements.txt"],
        [
            [sys.executable, "-m", "venv", "venv"],
            [
                "venv/bin/pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--require-hashes",
                "-r",
                "requirements.txt",
            ],
        ],
        lambda program: ["venv/bin/python", "-P", program.name],
    ),
    Language(
        "ruby",
        ".rb",
        {"ruby": "apt-get install ruby"},
        [],
        [],
        lambda program: ["ruby", program.name],
    ),
    Language(
        "rust",
        ".rs",
        {"cargo": "Rust 1.85 or later"},
        ["Cargo.toml", "Cargo.lock"],
        [["cargo", "fetch", "--locked"]],
        lambda program: ["cargo", "run", "--quiet", "--locked", "--bin", program.stem],
    ),
    Language("sh", ".sh", {"curl": "apt-get install curl"}, [], [], lambda program: ["sh", program.name]),
]
