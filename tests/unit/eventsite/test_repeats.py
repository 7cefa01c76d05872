"""Repeated log lines become one line with a count."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from eventsite import logs
from eventsite.repeats import CountingHandler, Repeats, subject_of


def record(text: str = "away", level: int = logging.WARNING) -> logging.LogRecord:
    return logging.LogRecord("name", level, __file__, 1, text, (), None)


def told(repeats: Repeats, times: range) -> list[tuple[int, int]]:
    """When a line is told, and how many were held back before it."""
    found = []
    for now in times:
        if repeats.note("a", record(), now):
            found.append((now, 0))
        found += [(now, held) for _, held in repeats.over(now)]
    return found


def test_the_first_is_told_at_once_and_the_others_as_a_count_after_pauses_that_grow() -> None:
    assert told(Repeats(2, 8), range(31)) == [(0, 0), (2, 2), (6, 4), (14, 8), (22, 8), (30, 8)]


def test_what_was_quiet_for_its_whole_pause_begins_anew() -> None:
    repeats = Repeats(2, 8)
    assert repeats.note("a", record(), 0)
    assert not repeats.note("a", record(), 1)
    assert [held for _, held in repeats.over(2)] == [1]
    assert repeats.over(6) == []
    assert repeats.note("a", record(), 6)


def test_each_subject_has_its_own_count() -> None:
    repeats = Repeats(2, 8)
    assert repeats.note("a", record(), 0)
    assert repeats.note("b", record(), 1)
    assert not repeats.note("a", record(), 1)
    assert [held for _, held in repeats.over(5)] == [1]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Error 111 connecting to h:6379", "Error 111 connecting to h:6379", True),
        ("Trying again in 2.00 seconds... (1/100)", "Trying again in 4.00 seconds... (2/100)", True),
        ("task 0b5c01e9-0f6e-4a0b-9b3b-0d6ef2b1c3aa failed", "task 9f4e6d0e-1c57-4f19-a6ad-9a52de2ac5d1 failed", True),
        ("<Connection: 0x7f2a>", "<Connection: 0x7f2b>", True),
        ("away", "back", False),
    ],
)
def test_numbers_in_a_text_make_no_other_line_of_it(one: str, other: str, same: bool) -> None:
    assert (subject_of(record(one)) == subject_of(record(other))) is same


@pytest.fixture
def lines() -> Iterator[Any]:
    """What the handler of the site's logging has written, as `lines()`."""
    config = logs.configure(readable=False, colours=False)
    handler = CountingHandler()
    stream = io.StringIO()
    handler.setStream(stream)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(**_arguments(config["formatters"]["lines"])))
    logger = logging.getLogger("repeats")
    logger.addHandler(handler)
    logger.propagate = False

    def read() -> list[dict[str, Any]]:
        handler.close()
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    yield read
    logger.removeHandler(handler)


def _arguments(formatter: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in formatter.items() if name != "()"}


def test_equal_lines_of_ours_and_of_others_come_out_once_with_their_count(lines: Any) -> None:
    log = structlog.get_logger("repeats")
    for number in range(1_000):
        log.warning("an offset was not committed", partition=number % 2, error=f"broker {number}", wait_s=number)
        logging.getLogger("repeats").error("Cannot connect, attempt %d", number)
        log.info("stored a batch")
    found = [line for line in lines() if line["level"] != "info"]
    assert [(line["event"], line.get("partition"), line.get("repeated")) for line in found] == [
        ("an offset was not committed", 0, None),
        ("Cannot connect, attempt 0", None, None),
        ("an offset was not committed", 1, None),
        ("an offset was not committed", 0, 499),
        ("Cannot connect, attempt 999", None, 999),
        ("an offset was not committed", 1, 499),
    ]


def test_each_line_that_tells_of_no_trouble_comes_out(lines: Any) -> None:
    for _ in range(3):
        structlog.get_logger("repeats").info("stored a batch")
    assert len(lines()) == 3


def test_a_traceback_comes_out_once_and_another_failure_is_another_line(lines: Any) -> None:
    log = structlog.get_logger("repeats")
    for error in (ValueError("x"), ValueError("x"), KeyError("x")):
        try:
            raise error
        except (ValueError, KeyError):
            log.exception("a sweep failed")
    found = [("exception" in line, line.get("repeated")) for line in lines()]
    assert found == [(True, None), (True, None), (False, 1)]
