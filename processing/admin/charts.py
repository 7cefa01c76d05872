"""Plots as SVG, drawn here: no script, no request to the outside. Their axes are text beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, sqrt

from django.utils.safestring import SafeString

from processing.domain.series import PERCENTILES, Step, percentile_ms

WIDTH, HEIGHT = 1_000, 200  # stretched to the room there is
PLOTTED = ("processed", "skipped", "held", "retrying", "failed", "ahead", "poison")  # from the bottom up
LEAST_MS = 5.0  # where the scale of times begins, which is logarithmic


@dataclass(frozen=True)
class Chart:
    svg: SafeString
    top: str  # of the scale
    middle: str


def outcome_bars(steps: Sequence[Step]) -> Chart:
    """Events per minute, by outcome, on top of each other."""
    highest = max([sum(step.per_minute(each) for each in PLOTTED) for step in steps] or [0]) or 1.0
    top = round_up(highest)
    wide = WIDTH / max(1, len(steps))
    bars = "".join(_bar(step, place * wide, wide, top) for place, step in enumerate(steps))
    return Chart(_svg("events per minute, by outcome", bars), number(top), number(top / 2))


def _bar(step: Step, x: float, wide: float, top: float) -> str:
    y = float(HEIGHT)
    parts, told = [], []
    for outcome in PLOTTED:
        if not step.what[outcome]:
            continue
        high = step.per_minute(outcome) / top * HEIGHT
        y -= high
        parts.append(_rectangle(f"o-{outcome}", x, y, wide * 0.86, max(high, 0.8)))
        told.append(f"{outcome}: {number(step.per_minute(outcome))}/min")
    return _hit(step, x, wide, told or ["nothing"], "".join(parts))


def _rectangle(name: str, x: float, y: float, wide: float, high: float) -> str:
    return f'<rect class="{name}" x="{x:.2f}" y="{y:.2f}" width="{wide:.2f}" height="{high:.2f}"/>'


def _hit(step: Step, x: float, wide: float, told: Sequence[str], content: str = "") -> str:
    """What a step tells under the pointer."""
    title = "\n".join([f"{step.start:%Y-%m-%d %H:%M} UTC", *told])
    return f"<g><title>{title}</title>{_rectangle('hit', x, 0, wide, HEIGHT)}{content}</g>"


def percentile_lines(steps: Sequence[Step]) -> Chart:
    """The time to an outcome; where none came there is no line."""
    found = {each: [percentile_ms(step.what, each) for step in steps] for each in PERCENTILES}
    known = [ms for line in found.values() for ms in line if ms is not None]
    top = max(round_up(max(known, default=0)), 10 * LEAST_MS)
    wide = WIDTH / max(1, len(steps))
    lines = [f'<path class="p{percent}" d="{_path(line, wide, top)}"/>' for percent, line in reversed(found.items())]
    for place, step in enumerate(steps):
        lines.append(_hit(step, place * wide, wide, _told([line[place] for line in found.values()])))
    return Chart(_svg("time to an outcome", "".join(lines)), duration(top), duration(sqrt(top * LEAST_MS)))


def _path(line: Sequence[float | None], wide: float, top: float) -> str:
    """A step at the height of each, so that one alone can be seen."""
    parts: list[str] = []
    down = False
    for place, ms in enumerate(line):
        if ms is None:
            down = False
            continue
        y = HEIGHT * (1 - log(max(ms, LEAST_MS) / LEAST_MS) / log(top / LEAST_MS))
        parts.append(f"{'L' if down else 'M'}{place * wide:.1f} {y:.1f}H{(place + 1) * wide:.1f}")
        down = True
    return "".join(parts)


def _told(values: Sequence[float | None]) -> list[str]:
    told = [f"p{percent}: {duration(ms)}" for percent, ms in zip(PERCENTILES, values, strict=True) if ms is not None]
    return told or ["no outcome"]


def _svg(label: str, content: str) -> SafeString:
    """Of numbers and our own words alone."""
    return SafeString(
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{label}">'
        f'<path class="grid" d="M0 0.5H{WIDTH}M0 {HEIGHT // 2}H{WIDTH}"/>{content}</svg>'
    )


def round_up(value: float) -> float:
    """To 1, 2 or 5 of a power of ten."""
    if value <= 0:
        return 0.0
    power = 1.0
    while power < value:
        power *= 10
    while power / 10 >= value:
        power /= 10
    return next(part for part in (power / 5, power / 2, power) if part >= value)


def number(value: float) -> str:
    """Short: 950, 1.2 k, 34 M."""
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= 0.9995 * size:  # less is three digits of the unit below
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def duration(ms: float | None) -> str:
    if ms is None:
        return "-"
    for size, unit in ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")):
        if ms >= size:
            return f"{ms / size:.3g} {unit}"
    return f"{ms:.3g} ms"
