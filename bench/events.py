"""The events that are measured, made once for all revisions: Kafka messages, HTTP requests, lines of a file."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from functools import cache

import orjson
from uuid_utils import uuid7

from bench.client import post
from tests.pipeline.log import Record

USERS = 1_000
REVENUE_USERS = 2_000
STARTED_MS = 1_790_000_000_000
PER_CALL = 500
REPEATED = 100


class Kind(StrEnum):
    PLAIN = "plain"
    NUMBERED = "half with seq"
    GAMES = "game events"


@cache
def records(kind: Kind, count: int, users: str = "user") -> list[Record]:
    """Kafka messages; with `NUMBERED` every second user's events have a seq, in order."""
    return list(new_records(kind, count, users))


def new_records(kind: Kind, count: int, users: str) -> Iterator[Record]:
    """As `records`, made as they are taken: for more than memory should hold."""
    for number in range(count):
        user = f"{users}-{number % USERS}"
        payload: dict[str, object] = {"page": f"/products/{number % 97}", "referrer": "search", "ms": number % 1000}
        envelope: dict[str, object] = {"id": str(uuid7()), "userId": user, "type": "page.viewed", "payload": payload}
        envelope["timestamp"] = STARTED_MS + number
        if kind is Kind.NUMBERED and number % 2:
            payload["seq"] = number // USERS + 1
        if kind is Kind.GAMES:
            payload |= {"gameId": f"game-{number % 50}", "data": {"ply": number % 200, "san": "Nf3", "uci": "g1f3"}}
            envelope |= {"family": "game", "type": "game.move"}
        yield Record(user.encode(), orjson.dumps(envelope))


def repeated(events: list[Record]) -> tuple[list[Record], int]:
    """As many messages, of which each hundredth is one of before once more; and how many are different."""
    again = range(REPEATED - 1, len(events), REPEATED)
    messages = [events[place - REPEATED // 2] if place in again else each for place, each in enumerate(events)]
    return messages, len(events) - len(again)


@cache
def batches(events: int) -> list[bytes]:
    """Calls of `POST /events/batch`; the server makes the ids. Many users: no rate limit is met."""
    return [
        post("/events/batch", orjson.dumps({"events": [_event(number) for number in part]})) for part in _parts(events)
    ]


@cache
def singles(events: int) -> list[bytes]:
    """Calls of `POST /events`."""
    return [post("/events", orjson.dumps(_event(number))) for number in range(events)]


@cache
def products(events: int) -> list[bytes]:
    """Calls of `POST /product-events` with a list."""
    return [post("/product-events", orjson.dumps([_product(number) for number in part])) for part in _parts(events)]


def _parts(events: int) -> Iterator[range]:
    for start in range(0, events, PER_CALL):
        yield range(start, min(start + PER_CALL, events))


def _event(number: int) -> dict[str, object]:
    return {"userId": f"sender-{number}", "type": "page.viewed", "payload": {"page": f"/products/{number % 97}"}}


def _product(number: int) -> dict[str, object]:
    return {
        "eventId": str(uuid7()),
        "eventType": "product.bought",
        "timestamp": STARTED_MS + number,
        "userId": f"sender-{number}",
        "productId": f"product-{number % 997}",
        "productName": f"Product {number % 997}",
        "category": "books",
        "price": f"{number % 1000}.99",
        "quantity": number % 5 + 1,
        "metadata": {"referrer": "search"},
        "discountCode": "AUTUMN",
        "discountAmount": "1.50",
    }


def revenue_line(number: int) -> bytes:
    """A line for `process_events`, as the old server's log has them."""
    name, value = _change(number)
    change = {"userId": f"u-{number * 7919 % REVENUE_USERS}", "name": name, "value": value / 100}
    return orjson.dumps(change, option=orjson.OPT_APPEND_NEWLINE)


def revenue_of(lines: int) -> Decimal:
    """What so many lines come to for all users."""
    changes = (_change(number) for number in range(lines))
    return Decimal(sum(cents if name == "add_revenue" else -cents for name, cents in changes)) / 100


def _change(number: int) -> tuple[str, int]:
    """The name, and the amount in cents."""
    return "subtract_revenue" if number % 5 == 0 else "add_revenue", number * 31 % 100_000
