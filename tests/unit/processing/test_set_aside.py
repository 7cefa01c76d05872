"""How many events a step of draining takes."""

from __future__ import annotations

import pytest

from processing.engine.set_aside import FIRST_ROWS, MOST_ROWS, STEP_S, next_rows


@pytest.mark.parametrize(
    ("rows", "took_s", "then"),
    [
        (FIRST_ROWS, 0.0, 2 * FIRST_ROWS),
        (MOST_ROWS, 0.0, MOST_ROWS),
        (400, STEP_S, 400),
        (400, 10 * STEP_S, 200),  # a slow handler: batches wait for it between two of theirs
        (FIRST_ROWS, 10 * STEP_S, FIRST_ROWS),
    ],
)
def test_a_step_takes_as_many_as_it_can_in_its_time(rows: int, took_s: float, then: int) -> None:
    assert next_rows(rows, took_s) == then
