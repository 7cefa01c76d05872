"""What one transaction replays, and where an event goes that could not be read before: plain values."""

from __future__ import annotations

import pytest

from processing.domain.lanes import LaneState
from processing.domain.statuses import Status
from processing.operators import replay as replays
from processing.operators.redecode import place
from processing.operators.replay import bounded
from processing.postgres.replay_items import Next
from tests.support.events import read_event
from tests.support.factories import envelope


def test_a_transaction_takes_no_more_events_and_no_more_bytes_than_it_should(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "CHUNK", 3)
    monkeypatch.setattr(replays, "CHUNK_BYTES", 10)
    sizes = [1, 1, 1, 1, 9, 1, 50, 0]
    entries = [Next(str(order), order, size, poison=True) for order, size in enumerate(sizes)]
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
