"""Which lines of a file go when, and what identifies them."""

from __future__ import annotations

from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest

from ingest.files import identity, lines
from ingest.files.lines import BadLine
from ingest.files.send import sender as sending
from ingest.files.send.client import Answer, Unreachable
from ingest.files.send.lines import Line, read_lines
from ingest.files.send.schedule import Schedule
from ingest.files.send.sender import Sender

MOVE = b'{"eventType":"move","playerId":"p","timestamp": 1790000000000,"data":{}}\n'
PLAIN = b'{"userId":"u","type":"t"}\n'


def lines_of(text: bytes, source: str = "a.jsonl", longest: int = 1_000) -> list[Line | BadLine]:
    return list(read_lines(BytesIO(text), source, None, longest))


def ids_of(text: bytes, source: str = "a.jsonl") -> list[str]:
    return [line.event["eventId"] for line in lines_of(text, source) if isinstance(line, Line)]


def test_two_equal_lines_are_two_events() -> None:
    assert len(set(ids_of(PLAIN + PLAIN))) == 2


def test_a_file_has_the_same_ids_again_in_whole_or_in_part() -> None:
    whole = ids_of(PLAIN + MOVE + PLAIN)
    assert ids_of(PLAIN + MOVE + PLAIN) == whole
    assert ids_of(PLAIN + MOVE) == whole[:2]


@pytest.mark.parametrize("in_memory", [0, 3, 10_000])
def test_equal_lines_are_counted_in_memory_and_on_disk_alike(monkeypatch: pytest.MonkeyPatch, in_memory: int) -> None:
    monkeypatch.setattr(lines, "PIECE_LINES", 4)
    text = b"".join(b'{"userId":"u-%d","type":"t"}\n' % (number % 7) for number in range(40))
    expected = ids_of(text)
    monkeypatch.setattr(identity, "IN_MEMORY", in_memory)
    assert ids_of(text) == expected
    assert len(set(expected)) == 40


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    assert ids_of(b"\xef\xbb\xbf" + PLAIN) == ids_of(PLAIN)


def test_another_source_has_other_ids() -> None:
    assert ids_of(PLAIN) != ids_of(PLAIN, "b.jsonl")


def test_a_line_keeps_its_own_id() -> None:
    (line,) = lines_of(b'{"userId":"u","type":"t","eventId":"mine"}')
    assert isinstance(line, Line)
    assert bytes(line.event["eventId"]) == b'"mine"'


def test_a_line_is_known_by_its_members() -> None:
    plain, move = lines_of(PLAIN + MOVE)
    assert isinstance(plain, Line) and isinstance(move, Line)
    assert "family" not in plain.event
    assert (move.event["family"], move.user) == ("game", "p")


def test_lines_that_cannot_be_used_are_told_by_number_and_the_others_go_on() -> None:
    text = PLAIN + b"\n" + b"nonsense\n" + b'{"a":1}\n' + b'{"userId":1,"type":"t"}\n' + b"x" * 5_000 + b"\n" + PLAIN
    bad = [(line.number, line.reason) for line in lines_of(text) if isinstance(line, BadLine)]
    assert [number for number, _ in bad] == [3, 4, 5, 6]
    assert [line.number for line in lines_of(text) if isinstance(line, Line)] == [1, 7]
    assert sum(line.size for line in lines_of(text)) == len(text) - 1  # a blank line is nobody's


def line(number: int, user: str) -> Line:
    return Line(number, 1, user, {})


def numbers(lines: list[Line]) -> list[int]:
    return [each.number for each in lines]


def test_a_users_next_line_waits_for_the_answer_to_the_one_before() -> None:
    schedule = Schedule()
    lines = [line(1, "a"), line(2, "a"), line(3, "b")]
    for each in lines:
        schedule.add(each)
    assert numbers(schedule.take(10, now=0)) == [1, 3]
    assert numbers(schedule.take(10, now=0)) == []
    schedule.finish(lines[0])
    assert numbers(schedule.take(10, now=0)) == [2]


def test_a_line_put_back_goes_again_after_its_time_and_before_its_users_next() -> None:
    schedule = Schedule()
    for each in (line(1, "a"), line(2, "a")):
        schedule.add(each)
    schedule.put_back(schedule.take(1, now=0), until=5)
    assert numbers(schedule.take(10, now=4)) == []
    assert schedule.next_time() == 5
    assert numbers(schedule.take(10, now=5)) == [1]


def test_nothing_waits_once_all_have_their_answer() -> None:
    schedule = Schedule()
    schedule.add(only := line(1, "a"))
    schedule.finish(*schedule.take(1, now=0))
    assert schedule.waiting == 0
    schedule.add(only)
    assert numbers(schedule.take(1, now=0)) == [1]


class Server:
    """Answers what it is told to, in turns."""

    def __init__(self, *answers: Exception | None) -> None:
        self.answers = list(answers)

    def send(self, lines: list[Line]) -> Answer:
        answer = self.answers.pop(0)
        if answer is not None:
            raise answer
        return Answer([{"status": "accepted"}] * len(lines), 1, "")


def sender(monkeypatch: pytest.MonkeyPatch, *answers: Exception | None, rate: float) -> Sender:
    """One whose sleeps take no time."""
    clock = [0.0]
    monkeypatch.setattr(sending, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=lambda s: sleep(clock, s)))
    nothing: Any = lambda *_: None  # noqa: E731
    client: Any = Server(*answers)
    return Sender(client, tell=nothing, advance=nothing, wait_for=nothing, concurrency=1, rate=rate)


def sleep(clock: list[float], seconds: float) -> None:
    clock[0] += seconds


def test_a_connection_that_breaks_after_a_long_pause_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = sender(monkeypatch, None, Unreachable("closed"), None, None, rate=0.01)
    slow.send(line(number, f"u-{number}") for number in range(3))
    assert slow.report.accepted == 3


def test_a_server_that_does_not_answer_is_given_up_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = sender(monkeypatch, None, *[Unreachable("refused")] * 200, rate=10)
    with pytest.raises(Unreachable, match="no answer for 60 s"):
        silent.send(line(number, f"u-{number}") for number in range(3))
    assert silent.report.accepted == 1
