"""One environment a language, below `var/interop`. A program is a single file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.environments import PIP_INSTALL, Environment, run

HERE = Path(__file__).resolve().parent
PROGRAM_S = 900  # the first one of a language may have to be compiled with all that it uses


@dataclass(frozen=True)
class Language(Environment):
    """`command` runs a program that lies in the folder."""

    suffix: str
    command: Callable[[Path], Sequence[str]]

    def programs(self) -> dict[str, Path]:
        return {path.stem.lower(): path for path in sorted(self.source.glob(f"*{self.suffix}"))}

    def run(self, program: Path, environment: Mapping[str, str]) -> str:
        """What a program prints, once it has ended. Raises `ProgramFailed`."""
        return self.run_text(program.name, program.read_text(encoding="utf-8"), environment)

    def run_text(self, name: str, text: str, environment: Mapping[str, str]) -> str:
        """The same of a program that lies in no file."""
        program = self.folder / name
        program.write_text(text, encoding="utf-8")
        return run(self.command(program), self.folder, environment, PROGRAM_S)


LANGUAGES = [
    Language(
        HERE / "go",
        {"go": "Go 1.26 or later"},
        ["go.mod", "go.sum"],
        [["go", "mod", "download"]],
        ".go",
        lambda program: ["go", "run", program.name],
    ),
    Language(
        HERE / "java",
        {"java": "apt-get install openjdk-17-jdk-headless", "mvn": "apt-get install maven"},
        ["pom.xml"],
        [["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=."]],
        ".java",
        lambda program: ["java", "-Dfile.encoding=UTF-8", "-cp", "*", program.name],
    ),
    Language(
        HERE / "node",
        {"node": "Node.js 20 or later", "npm": "Node.js 20 or later"},
        ["package.json", "package-lock.json"],
        [["npm", "ci", "--no-audit", "--no-fund"]],
        ".mjs",
        lambda program: ["node", program.name],
    ),
    Language(
        HERE / "php",
        {"php": "apt-get install php-cli php-curl"},
        [],
        [],
        ".php",
        lambda program: ["php", program.name],
    ),
    Language(
        HERE / "python",
        {},
        ["requirements.txt"],
        PIP_INSTALL,
        ".py",
        lambda program: [".venv/bin/python", "-P", program.name],
    ),
    Language(
        HERE / "ruby",
        {"ruby": "apt-get install ruby"},
        [],
        [],
        ".rb",
        lambda program: ["ruby", program.name],
    ),
    Language(
        HERE / "rust",
        {"cargo": "Rust 1.85 or later"},
        ["Cargo.toml", "Cargo.lock"],
        [["cargo", "fetch", "--locked"]],
        ".rs",
        lambda program: ["cargo", "run", "--quiet", "--locked", "--bin", program.stem],
    ),
    Language(HERE / "sh", {"curl": "apt-get install curl"}, [], [], ".sh", lambda program: ["sh", program.name]),
]
