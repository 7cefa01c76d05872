"""In which order dead letters are replayed, and where an event goes that could not be read before: plain values."""

from __future__ import annotations

import pytest

from processing.domain.lanes import LaneState
from processing.domain.statuses import Status
from processing.operators import replay as replays
from processing.operators.redecode import place
from processing.operators.replay import Entry, bounded, in_order
from processing.postgres.dead_letters import Found
from tests.support.events import read_event
from tests.support.factories import envelope


def found(*letters: tuple[str, str, int | None]) -> list[Found]:
    """Dead letters (id, user, seq) as they follow each other in the log."""
    return [Found((offset,), id, user, seq, 0, poison=False) for offset, (id, user, seq) in enumerate(letters)]


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        # without numbers: the log
        ([("a", "u", None), ("b", "u", None)], ["a", "b"]),
        # with numbers: by them
        ([("a", "u", 3), ("b", "u", 1), ("c", "u", 2)], ["b", "c", "a"]),
        # what has no number keeps its place among those that have one
        ([("a", "u", 2), ("x", "u", None), ("b", "u", 1)], ["b", "x", "a"]),
        # users do not mix
        ([("a", "u", 2), ("p", "v", 1), ("b", "u", 1), ("q", "v", 2)], ["b", "p", "a", "q"]),
        ([], []),
    ],
)
def test_a_users_numbered_events_go_by_number_and_all_others_by_the_log(
    log: list[tuple[str, str, int | None]], expected: list[str]
) -> None:
    letters = found(*log)
    assert [letter.id for letter in in_order(letters)] == expected
    assert [letter.id for letter in in_order(letters[::-1])] == expected


def test_a_transaction_takes_no_more_events_and_no_more_bytes_than_it_should(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "CHUNK", 3)
    monkeypatch.setattr(replays, "CHUNK_BYTES", 10)
    sizes = [1, 1, 1, 1, 9, 1, 50, 0]
    entries = [Entry(str(order), order, size, poison=True) for order, size in enumerate(sizes)]
    chunks = [[entry.size for entry in chunk] for chunk in bounded(entries)]
    assert chunks == [[1, 1, 1], [1, 9], [1], [50], [0]]


@pytest.mark.parametrize(
    ("seq", "front", "taken", "expected"),
    [
        (None, None, set(), Status.RETRYING),  # no lane: tried at once
        (5, 5, set(), Status.HELD),  # its turn: the lane lets it run
        (7, 5, set(), Status.HELD),  # early: waits like any other
        (4, 5, set(), Status.RETRYING),  # passed: takes effect late
        (4, 5, {("u-1", 4)}, Status.SKIPPED),  # another event owns its seq, before …
        (7, 5, {("u-1", 7)}, Status.SKIPPED),  # … or behind the front
        (7, 5, {("u-2", 7)}, Status.HELD),  # another user's number is no concern
    ],
)
def test_an_event_that_can_be_read_at_last_goes_where_its_lane_has_room(
    seq: int | None, front: int | None, taken: set[tuple[str, int]], expected: Status
) -> None:
    value = envelope("e-1") if seq is None else envelope("e-1", seq=seq)
    lane = None if front is None else LaneState("u-1", front, waiting=False, order_version=0)
    status, error = place(lane, read_event(value), taken)
    assert status is expected
    assert (error is None) == (expected is not Status.SKIPPED)
