"""What a lane waits for is said by its row, also when an operator sets it."""

from __future__ import annotations

import pytest

from processing.engine import release
from processing.models import Lane
from processing.operators.set_lane import set_lane
from tests.support.dead import consume, fail_for_good, try_again
from tests.support.factories import envelope
from tests.support.gaps import pass_gap
from tests.support.replays import replay

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


def test_a_retry_without_seq_hides_no_gap_of_its_user() -> None:
    consume(envelope("e-1", seq=1))
    consume(envelope("skipped", seq=1), envelope("retrying", fail=True))
    assert lane() == (2, "")
    assert Lane.objects.get().waiting_since is None, "nothing of the lane waits"
    consume(envelope("e-3", seq=3))
    assert lane() == (2, "gap")


@pytest.mark.usefixtures("published")
def test_a_late_replay_hides_no_gap_of_a_lane_that_was_set_back() -> None:
    fail_for_good(envelope("late", seq=1, fail=True))
    consume(*(envelope(f"e-{seq}", seq=seq) for seq in (2, 3, 9)))
    pass_gap("u-1")
    set_lane("u-1", 5, replay=False, actor="ada")
    replay(ids=["late"], actor="ada")
    try_again("late")
    assert lane() == (5, "")
    consume(envelope("e-6", seq=6))
    assert lane() == (5, "gap")
