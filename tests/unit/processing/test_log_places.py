"""Where a partition is read on, and what was lost: a table of what Postgres, the log and the group say."""

from __future__ import annotations

import pytest

from processing.domain.log_positions import LogState, Lost, Placement, StoredPosition, Why, place

A, B = "log-a", "log-b"


def stored(next: int, end_seen: int, topic_id: str = A, generation: int = 1) -> StoredPosition:
    return StoredPosition(topic_id, next, end_seen, generation)


@pytest.mark.parametrize(
    ("log", "start"),
    [
        (LogState(A, 0, 0), 0),
        (LogState(A, 40, 90), 40),
        (LogState(A, 40, 90, committed=60), 60),
        (LogState(A, 40, 90, committed=20), 40),
        (LogState(A, 40, 90, committed=90), 90),
        (LogState(A, 40, 90, committed=900), 40),  # of a log that was made anew or cut: what is here may be unread
    ],
)
def test_a_first_reading_loses_nothing(log: LogState, start: int) -> None:
    assert place(None, log) == Placement(start, StoredPosition(A, start, log.end))


@pytest.mark.parametrize(
    ("log", "start"),
    [
        (LogState(A, 0, 100, committed=60), 60),
        (LogState(A, 0, 100, committed=50), 50),  # the hot state of 50 to 59 may be missing
        (LogState(A, 55, 100, committed=50), 55),
        (LogState(A, 60, 60, committed=60), 60),
        (LogState(A, 0, 100, committed=100), 60),  # Postgres is the truth, as after a restore
        (LogState(A, 0, 100), 0),  # a group that is new, or was forgotten
        (LogState("", 0, 100, committed=60), 60),  # a broker that tells no id
    ],
)
def test_a_log_that_has_what_comes_next_has_lost_nothing(log: LogState, start: int) -> None:
    found = place(stored(60, 80), log)
    assert (found.start, found.lost) == (start, None)
    assert found.position == stored(60, max(80, log.end))


def test_what_was_deleted_before_it_was_read_is_lost() -> None:
    found = place(stored(60, 80), LogState(A, 95, 100, committed=60))
    assert found == Placement(95, stored(95, 100), Lost(A, 60, 94, Why.DELETED))


def test_a_log_that_ends_before_the_position_was_cut_and_is_read_from_its_beginning() -> None:
    found = place(stored(60, 80), LogState(A, 10, 50, committed=60))
    assert found == Placement(10, stored(10, 50, generation=2), Lost(A, 60, 79, Why.TRUNCATED))


def test_a_cut_that_the_clients_leader_epochs_tell_may_have_been_written_over() -> None:
    found = place(stored(60, 80), LogState(A, 10, 300, committed=60), truncated=True)
    assert found == Placement(10, stored(10, 300, generation=2), Lost(A, 60, 79, Why.TRUNCATED))


@pytest.mark.parametrize("end", [5, 60, 500])
def test_another_id_is_another_log_however_far_it_reaches(end: int) -> None:
    found = place(stored(60, 80, generation=4), LogState(B, 0, end, committed=60))
    assert found == Placement(0, stored(0, end, B, generation=5), Lost(A, 60, 79, Why.MADE_ANEW))


def test_how_far_an_unread_log_reached_may_never_have_been_seen() -> None:
    lost = place(stored(60, 60), LogState(B, 0, 0)).lost
    assert lost == Lost(A, 60, None, Why.MADE_ANEW)


def test_a_broker_without_ids_tells_only_that_the_log_is_shorter() -> None:
    found = place(stored(60, 80, ""), LogState("", 0, 5))
    assert found == Placement(0, stored(0, 5, "", generation=2), Lost("", 60, 79, Why.TRUNCATED))
