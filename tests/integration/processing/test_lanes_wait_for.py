"""What a lane waits for is said by its row, also when an operator sets it."""

from __future__ import annotations

import pytest

from processing.engine import release
from processing.models import Lane
from processing.operators.set_lane import set_lane
from tests.support.dead import consume
from tests.support.factories import envelope

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("two_tries", "hints_off")]


def lane() -> tuple[int, str]:
    row = Lane.objects.get()
    return row.next_seq, row.waits_for


def test_a_lane_that_is_set_waits_for_what_it_finds_there() -> None:
    consume(*(envelope(f"e-{seq}", seq=seq) for seq in (1, 3, 5)))
    assert lane() == (2, "gap")
    set_lane("u-1", 3, replay=False, actor="ada")
    assert lane() == (3, "turn")
    release.release_all({"u-1"})
    assert lane() == (4, "gap")
    set_lane("u-1", 6, replay=False, actor="ada")
    assert lane() == (6, "")
    assert Lane.objects.get().waiting_since is None
