"""Is anybody reading the log?"""

from __future__ import annotations

from processing.domain.positions import Position
from processing.domain.silence import SILENT_S, Silence, why_deserted, why_silent

KEY, OTHER = ("events", 0), ("events", 1)


def at(next: int, end: int = 10) -> Position:
    return Position(0, end, next)


def test_a_partition_is_silent_when_nobody_moves_it_although_there_is_more() -> None:
    silence = Silence()
    silence.note({KEY: at(4), OTHER: at(10)}, 0.0)
    assert silence.silent(SILENT_S - 1) == {}
    silence.note({KEY: at(4, end=20), OTHER: at(10)}, SILENT_S)
    assert silence.silent(SILENT_S) == {KEY: SILENT_S}


def test_one_that_moves_is_not_however_far_behind_and_waiting_counts_from_the_first_message() -> None:
    silence = Silence()
    silence.note({KEY: at(4), OTHER: at(10)}, 0.0)
    silence.note({KEY: at(5), OTHER: at(10, end=11)}, SILENT_S)
    assert silence.silent(SILENT_S + 1) == {}
    silence.note({KEY: at(10), OTHER: at(10, end=11)}, 2 * SILENT_S)
    assert silence.silent(2 * SILENT_S) == {OTHER: SILENT_S}


def test_an_open_transaction_is_not_the_consumers_silence() -> None:
    lines = why_silent("g", {KEY: 31.0, OTHER: 40.0}, {OTHER})
    assert lines == [
        "the consumers of group g have committed nothing for 31 s in 1 partition (events/0)",
        "an open transaction of another producer holds up the consumers in 1 partition (events/1)",
    ]
    assert why_silent("g", {}, ()) == []


def test_a_group_without_members_is_told_once_there_was_something_to_read() -> None:
    assert why_deserted("g", {KEY: at(0, end=0)}) == []
    assert why_deserted("g", {KEY: at(10)}) == ["no consumer of group g is there; unread in Kafka: 0 messages"]
    assert why_deserted("g", {KEY: at(4), OTHER: at(9)}) == [
        "no consumer of group g is there; unread in Kafka: 7 messages"
    ]
