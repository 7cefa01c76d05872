"""A lane that a client's clock led astray, for tests that set it: the user is `u-1`."""

from __future__ import annotations

from pytest_django import Settings

from processing.engine import release
from processing.models import InboxEvent, Lane
from processing.operators.set_lane import Setting, foresee, set_lane
from tests.support import gaps
from tests.support.dead import consume
from tests.support.factories import envelope

CLOCK = 1_790_000_000_000


def numbered(*seqs: int, name: str = "e") -> list[bytes]:
    return [envelope(f"{name}-{seq}", seq=seq) for seq in seqs]


def led_astray(settings: Settings) -> None:
    """1, 2, 3, a clock, which the lane believed, and 4 and 5, which it skipped."""
    settings.SEQUENCE_MAX_AHEAD = 0
    consume(*numbered(1, 2, 3, CLOCK))
    pass_gap()
    consume(*numbered(4, 5))
    assert states() == {1: "processed", 2: "processed", 3: "processed", CLOCK: "processed", 4: "skipped", 5: "skipped"}
    assert front() == CLOCK + 1
    settings.SEQUENCE_MAX_AHEAD = 1_000_000


def pass_gap() -> None:
    """What the consumer does at the end of the log."""
    assert gaps.pass_gap("u-1") == 1


def work() -> None:
    release.release_all({"u-1"})


def states(name: str = "e") -> dict[int, str]:
    return {
        int(id.rpartition("-")[2]): status
        for id, status in InboxEvent.objects.filter(id__startswith=f"{name}-").values_list("id", "status")
    }


def front() -> int:
    return Lane.objects.get().next_seq


def put(seq: int, *, replay: bool = False) -> Setting:
    foreseen = foresee("u-1", seq, replay=replay)
    done = set_lane("u-1", seq, replay=replay, actor="ada")
    assert done == foreseen, "it does what it said before"
    return done
