"""Bodies on their way into the server: when one is given up, and which."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest

from eventsite.bodies import Bodies, Body, Missing

SOON_S = 0.001


async def chunks(*parts: bytes, ends: bool = True) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
    if not ends:
        await asyncio.Event().wait()


def run(work: Coroutine[Any, Any, Body]) -> Body:
    return asyncio.run(work)


def bodies(timeout_s: float = 60.0, room_bytes: int = 100) -> Bodies:
    return Bodies(timeout_s, max_bytes=10, room_bytes=room_bytes)


def why_missing(body: Body) -> type[OSError]:
    assert isinstance(body.stream, Missing)
    with pytest.raises(OSError) as caught:
        body.stream.read()
    assert body.length > 0  # else nobody would read it
    assert body.held == 0
    return caught.type


@pytest.mark.parametrize(
    ("parts", "announced", "expected"),
    [
        ([], 0, b""),
        ([], None, b""),
        ([b"ab", b"", b"c"], 3, b"abc"),
        ([b"ab", b"c"], None, b"abc"),
        ([b"0123456789"], 10, b"0123456789"),
        ([b"0123456789"], None, b"0123456789"),
    ],
)
def test_a_body_is_read_whole(parts: list[bytes], announced: int | None, expected: bytes) -> None:
    body = run(bodies().read(chunks(*parts), announced))
    assert (body.stream.read(), body.length) == (expected, len(expected))


def test_no_more_than_was_announced_is_waited_for() -> None:
    assert run(bodies().read(chunks(b"abc", ends=False), 3)).length == 3


@pytest.mark.parametrize("announced", [11, None])
def test_no_more_is_read_than_may_come(announced: int | None) -> None:
    body = run(bodies().read(chunks(b"0123456789", b"0", ends=False), announced))
    assert body.length == 11
    assert isinstance(body.stream, Missing)


@pytest.mark.parametrize(("parts", "announced"), [([], 3), ([b"ab"], 3), ([b"ab"], None)])
def test_what_does_not_come_in_time_is_late(parts: list[bytes], announced: int | None) -> None:
    assert why_missing(run(bodies(SOON_S).read(chunks(*parts, ends=False), announced))) is TimeoutError


def test_a_client_that_goes_away_is_told_from_one_that_is_done() -> None:
    assert why_missing(run(bodies().read(chunks(b"ab"), 3))) is ConnectionError


def test_where_memory_is_short_the_one_that_has_been_coming_for_longest_is_given_up() -> None:
    async def three() -> list[Body]:
        room = bodies(room_bytes=8)
        first = asyncio.create_task(room.read(chunks(b"abc", ends=False), 9))
        await asyncio.sleep(0)
        second = asyncio.create_task(room.read(chunks(b"abc", b"def", ends=False), 6))
        given_up, kept = await asyncio.gather(first, second)
        room.release(kept)
        return [given_up, kept, await room.read(chunks(b"12345678"), 8)]

    given_up, kept, next_one = asyncio.run(three())
    assert why_missing(given_up) is BlockingIOError
    assert kept.stream.read() == b"abcdef"
    assert next_one.stream.read() == b"12345678"


def test_at_the_end_of_the_process_slow_ones_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventsite.bodies.LEAVE_S", SOON_S)

    async def leaving() -> list[Body]:
        room = bodies()
        before = asyncio.create_task(room.read(chunks(ends=False), 3))
        await asyncio.sleep(0)
        room.leave()
        return [await before, await room.read(chunks(ends=False), 3)]

    assert [why_missing(body) for body in asyncio.run(leaving())] == [BlockingIOError, BlockingIOError]
