"""The numbers of a run, and how they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measurement. `target` as the project promises it; `at_most`: lower is better."""

    name: str
    value: float
    unit: str
    target: float | None = None
    at_most: bool = False

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        met = self.value <= self.target if self.at_most else self.value >= self.target
        return "met" if met else "MISSED"


def table(figures: Sequence[Figure]) -> str:
    """Aligned lines: name, value with unit, target, whether it was met."""
    width = max((len(figure.name) for figure in figures), default=0)
    return "\n".join(_line(figure, width) for figure in figures)


def _line(figure: Figure, width: int) -> str:
    sign = "≤" if figure.at_most else "≥"
    target = "" if figure.target is None else f"{sign} {_number(figure.target)}"
    value = f"{_number(figure.value):>10} {figure.unit:<9}"
    return f"{figure.name:<{width}}  {value} {target:>10}  {figure.verdict}".rstrip()


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
