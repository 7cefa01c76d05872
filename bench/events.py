"""The events that are measured, as rows of plain values, as Kafka messages, and as HTTP bodies."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

import orjson
from uuid_utils import uuid7

from tests.pipeline.log import Record

USERS = 1_000
REVENUE_USERS = 2_000
STARTED_MS = 1_790_000_000_000


class Kind(StrEnum):
    PLAIN = "plain"
    NUMBERED = "half with seq"
    GAMES = "game events"


def records(kind: Kind, count: int) -> Iterator[Record]:
    """Kafka messages; with `NUMBERED` every second user's events have a seq, in order."""
    for number in range(count):
        user = f"user-{number % USERS}"
        payload: dict[str, object] = {"page": f"/products/{number % 97}", "referrer": "search", "ms": number % 1000}
        envelope: dict[str, object] = {"id": str(uuid7()), "userId": user, "type": "page.viewed", "payload": payload}
        envelope["timestamp"] = STARTED_MS + number
        if kind is Kind.NUMBERED and number % 2:
            payload["seq"] = number // USERS + 1
        if kind is Kind.GAMES:
            payload |= {"gameId": f"game-{number % 50}", "data": {"ply": number % 200, "san": "Nf3", "uci": "g1f3"}}
            envelope |= {"family": "game", "type": "game.move"}
        yield Record(user.encode(), orjson.dumps(envelope))


def body(start: int, count: int) -> bytes:
    """A body for `POST /events/batch`; the server makes the ids. Many users: no rate limit is met."""
    events = [
        {"userId": f"sender-{number}", "type": "page.viewed", "payload": {"page": f"/products/{number % 97}"}}
        for number in range(start, start + count)
    ]
    return orjson.dumps({"events": events})


def single(number: int) -> bytes:
    """A body for `POST /events`."""
    return orjson.dumps(
        {"userId": f"single-{number}", "type": "page.viewed", "payload": {"page": f"/products/{number % 97}"}}
    )


def revenue_line(number: int) -> bytes:
    """A line for `process_events`, as the old server's log has them."""
    name = "subtract_revenue" if number % 5 == 0 else "add_revenue"
    change = {"userId": f"u-{number * 7919 % REVENUE_USERS}", "name": name, "value": number * 31 % 100_000 / 100}
    return orjson.dumps(change, option=orjson.OPT_APPEND_NEWLINE)
