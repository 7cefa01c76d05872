"""Plots: whole SVG, also of nothing, and numbers that are short."""

from __future__ import annotations

from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from processing.admin.charts import duration, number, outcome_bars, percentile_lines, round_up
from processing.domain.series import PERIODS, steps

NOW = datetime(2026, 9, 21, 12, 7, 30, tzinfo=UTC)
AT = int(NOW.replace(minute=5, second=0).timestamp())
ROWS = [
    (AT, None, "processed", 90),
    (AT, None, "failed", 10),
    (AT, None, "within 100 ms", 100),
]


def rectangles(svg: str) -> list[dict[str, str]]:
    return [each.attrib for each in ElementTree.fromstring(svg).iter("rect") if each.attrib["class"] != "hit"]


def test_outcomes_stand_on_each_other() -> None:
    chart = outcome_bars(steps(ROWS, PERIODS["hour"], NOW))
    failed, processed = sorted(rectangles(chart.svg), key=lambda each: float(each["y"]))
    assert (processed["class"], failed["class"]) == ("o-processed", "o-failed")
    assert float(failed["y"]) + float(failed["height"]) == pytest.approx(float(processed["y"]), abs=0.1)
    assert float(processed["y"]) + float(processed["height"]) == pytest.approx(200, abs=0.1)
    assert chart.top == "100"


def test_where_nothing_came_there_is_nothing() -> None:
    nothing = steps([], PERIODS["week"], NOW)
    assert rectangles(outcome_bars(nothing).svg) == []
    lines = ElementTree.fromstring(percentile_lines(nothing).svg)
    assert {path.attrib.get("d", "") for path in lines.iter("path") if path.attrib["class"] != "grid"} == {""}


def test_a_step_alone_is_a_line_that_can_be_seen() -> None:
    lines = ElementTree.fromstring(percentile_lines(steps(ROWS, PERIODS["hour"], NOW)).svg)
    paths = {path.attrib["class"]: path.attrib["d"] for path in lines.iter("path")}
    assert paths["p50"].count("M") == paths["p50"].count("H") == 1


@pytest.mark.parametrize(
    ("value", "top"), [(0, 0), (0.3, 0.5), (1, 1), (1.1, 2), (3, 5), (10, 10), (199, 200), (201, 500)]
)
def test_a_scale_ends_at_a_round_number(value: float, top: float) -> None:
    assert round_up(value) == pytest.approx(top)


def test_numbers_are_short() -> None:
    told = [number(value) for value in (0, 950, 999.7, 1_234, 999_900, 34_000_000)]
    assert told == ["0", "950", "1 k", "1.23 k", "1 M", "34 M"]
    assert [duration(ms) for ms in (None, 12.34, 1_500, 90_000, 7_200_000)] == [
        "-",
        "12.3 ms",
        "1.5 s",
        "1.5 min",
        "2 h",
    ]
