"""Settings from the environment, typed, loud about what cannot be used.

A value comes from the process's environment, else from the stack that `make run` or `make services` keeps up in this
checkout, else from `.env`. An empty value counts as not set.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TypeVar

from eventsite import runfile

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off"})
PASSWORD = re.compile(r"(://[^:/@]*):[^@]*@")
UNITS = {"": 1, "kib": 2**10, "mib": 2**20}

T = TypeVar("T")


class UnusableValue(ValueError):
    """A value that cannot be used; the text says what is allowed."""


class BadEnvironment(SystemExit):
    """Ends the process with the text, one line per problem: it reaches the operator, not a traceback."""


def load(base: Path, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """All variables that count, strongest source last; none is empty. IGNORE_ENV_FILES keeps the files out."""
    given = {name: value for name, value in environment.items() if value.strip()}
    if "IGNORE_ENV_FILES" in given:
        return given
    return {
        **{name: value for name, value in runfile.read(base / ".env").items() if value.strip()},
        **runfile.read_if_up(base / "var" / "services.env"),
        **runfile.read_if_up(base / "var" / "run.env"),
        **given,
    }


class Reader:
    """Reads variables and gathers what is wrong with them, so that the operator sees all of it at once."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.variables = variables
        self.names: set[str] = set()
        self.problems: list[str] = []

    def read(self, name: str, parse: Callable[[str], T], default: T) -> T:
        """`parse` raises `UnusableValue`."""
        self.names.add(name)
        text = self.variables.get(name, "").strip()
        if not text:
            return default
        try:
            return parse(text)
        except UnusableValue as error:
            self.problems.append(f"{name}={hide_password(text)!r} cannot be used: {error}")
            return default

    def text(self, name: str, default: str = "") -> str:
        return self.read(name, str, default)

    def flag(self, name: str, default: bool) -> bool:
        return self.read(name, parse_flag, default)

    def number(self, name: str, default: int, least: int = 0, most: int = 2**31 - 1) -> int:
        return self.read(name, lambda text: parse_number(text, least, most), default)

    def size(self, name: str, default: int, least: int, most: int) -> int:
        return self.read(name, lambda text: parse_size(text, least, most), default)

    def choice(self, name: str, default: str, allowed: Collection[str]) -> str:
        return self.read(name, lambda text: parse_choice(text, allowed), default)

    def words(self, name: str, default: list[str]) -> list[str]:
        return self.read(name, parse_words, default)

    def refuse(self, problem: str) -> None:
        self.problems.append(problem)

    def finish(self) -> None:
        """Raises `BadEnvironment` if anything was wrong."""
        if self.problems:
            raise BadEnvironment("\n".join(self.problems))


def hide_password(text: str) -> str:
    return PASSWORD.sub(r"\1:***@", text)


def parse_flag(text: str) -> bool:
    word = text.lower()
    if word not in TRUE | FALSE:
        raise UnusableValue("allowed are 1, true, yes, on and 0, false, no, off")
    return word in TRUE


def is_true(text: str) -> bool:
    """For those who look before the settings do, and leave the complaint to them."""
    return text.strip().lower() in TRUE


def parse_number(text: str, least: int, most: int) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text) or not least <= int(text) <= most:
        raise UnusableValue(f"allowed is a whole number from {least} to {most}")
    return int(text)


def parse_size(text: str, least: int, most: int) -> int:
    """Bytes, or with a unit: `262144`, `256 KiB`, `10MiB`."""
    match = re.fullmatch(r"([0-9]{1,18}) ?(|[km]ib)", text.lower())
    size = int(match[1]) * UNITS[match[2]] if match else -1
    if not least <= size <= most:
        raise UnusableValue(f"allowed is a number of bytes from {least} to {most}, or one with KiB or MiB behind it")
    return size


def parse_choice(text: str, allowed: Collection[str]) -> str:
    if text not in allowed:
        raise UnusableValue(f"allowed are {', '.join(sorted(allowed))}")
    return text


def parse_words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
