"""What a process answers to `/health/ready`: plain values, and the decision what of it is its own trouble."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SERVICES = ("postgres", "redis", "kafka", "broker")  # what is found of others is told in sentences that name them


@dataclass(frozen=True)
class Readiness:
    """`failing`: what this process cannot do now, by the name of what fails. `degraded`: what is wrong elsewhere, a
    line for each cause. A process is ready unless something fails."""

    failing: Mapping[str, str] = field(default_factory=dict)
    degraded: Sequence[str] = ()

    def error(self) -> str:
        """What fails, in one line."""
        return "; ".join(f"{name}: {why}" for name, why in self.failing.items())

    def members(self) -> dict[str, Any]:
        """Of an answer, in either case."""
        found = {"failing": dict(self.failing), "degraded": list(self.degraded)}
        return {name: value for name, value in found.items() if value}


def decide(found: Mapping[str, Sequence[str]], needs: Collection[str], implied: Mapping[str, str]) -> Readiness:
    """What checks found, by name. `needs` names what this process cannot do without; what else was found degrades it,
    unless it only says again what fails: `implied` names the check whose failure explains another's."""
    failing = {name: "; ".join(lines) for name, lines in found.items() if name in needs}
    told = [(name, line) for name, lines in found.items() if name not in needs for line in lines]
    return Readiness(failing, tuple(_line(name, line) for name, line in told if implied.get(name) not in found))


def _line(name: str, line: str) -> str:
    return f"{name}: {line}" if name in SERVICES else line


def one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
