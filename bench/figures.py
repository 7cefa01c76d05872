"""Single figures with what the project promises of them, and tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One figure; `at_most` is what the project promises, where it promises something."""

    name: str
    value: float
    unit: str
    at_most: float | None = None

    @property
    def row(self) -> list[str]:
        """Name, value with unit, target, whether it was met."""
        shown = [self.name, f"{number(self.value)} {self.unit}"]
        if self.at_most is None:
            return [*shown, "", ""]
        return [*shown, f"≤ {number(self.at_most)}", "met" if self.value <= self.at_most else "MISSED"]


def table(figures: Sequence[Figure]) -> str:
    return markdown(["", "measured", "target", ""], [figure.row for figure in figures])


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that is aligned in a terminal too."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [_line(head, widths), "|" + "|".join("-" * (width + 2) for width in widths) + "|"]
    return "\n".join([*lines, *(_line(row, widths) for row in rows)])


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "|" + "|".join(f" {cell:<{width}} " for cell, width in zip(cells, widths, strict=True)) + "|"
