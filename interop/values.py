"""tests/data/serializers.tsv, written anew or compared: what mainstream serializers make of the same few values."""

from __future__ import annotations

from collections.abc import Iterable

from bench.environments import ProgramFailed
from interop.environments import Language
from tests.paths import DATA

FILE = DATA / "serializers.tsv"


def differences(languages: Iterable[Language], *, write: bool) -> list[str]:
    """A line for each value that is written otherwise than the file says; none after the file was written anew."""
    failures: list[str] = []
    for language in languages:
        if program := language.programs().get("values"):
            try:
                lines = [f"{language.name}\t{line}" for line in language.run(program, {}).rstrip("\n").split("\n")]
            except ProgramFailed as error:
                failures.append(str(error))
                continue
            if write:
                _replace(language.name, lines)
            failures += [f"{FILE.name}: {line}" for line in _compared(language.name, lines)]
    return failures


def _of(language: str) -> list[str]:
    return [line for line in FILE.read_text(encoding="utf-8").splitlines() if line.split("\t")[0] == language]


def _compared(language: str, lines: list[str]) -> list[str]:
    """Other versions may well write the same: they are no difference."""
    known, now = ({line for line in each if line.split("\t")[1] != "versions"} for each in (_of(language), lines))
    return [f"now {line}" for line in sorted(now - known)] + [f"not {line}" for line in sorted(known - now)]


def _replace(language: str, lines: list[str]) -> None:
    """This language's lines, in the place of its former ones."""
    kept = [line for line in FILE.read_text(encoding="utf-8").splitlines() if line.split("\t")[0] != language]
    comments = [line for line in kept if line.startswith("#")]
    others = sorted([line for line in kept if not line.startswith("#")], key=lambda line: line.split("\t")[0])
    before = [line for line in others if line.split("\t")[0] < language]
    text = "\n".join([*comments, *before, *lines, *others[len(before) :]])
    FILE.write_text(f"{text}\n", encoding="utf-8")
