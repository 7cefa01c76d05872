"""What the tests send: events as values, the messages that carry them, and mixtures of them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import orjson

from tests.pipeline.log import Record

SPREAD = 40  # how far an event may stand from its place; keeps gaps younger than any timeout
STARTED_MS = 1_790_000_000_000


@dataclass(frozen=True)
class Sent:
    """An event that a program writes to Kafka."""

    id: str
    user: str
    seq: int | None = None
    family: str | None = None
    fail: bool | int = False

    @property
    def type(self) -> str:
        return "game.move" if self.family == "game" else "page.viewed"

    def record(self) -> Record:
        payload: dict[str, object] = {"data": {"id": self.id}}
        if self.seq is not None:
            payload["seq"] = self.seq
        if self.fail:
            payload["fail"] = self.fail
        envelope = {"id": self.id, "userId": self.user, "type": self.type, "payload": payload, "timestamp": STARTED_MS}
        if self.family is not None:
            envelope["family"] = self.family
        return Record(self.user.encode(), orjson.dumps(envelope))


def lane(user: str, seqs: Sequence[int], **rest: object) -> list[Sent]:
    """Numbered events of one user, in the order of `seqs`."""
    return [Sent(f"{user}-{seq}", user, seq, **rest) for seq in seqs]  # type: ignore[arg-type]


def mixed(count: int, *, users: int, chance: random.Random, prefix: str = "") -> list[Sent]:
    """Half of the events numbered; half game events; 5 % failing, a further 5 % sent twice; almost in order."""
    events: list[Sent] = []
    reached = [0] * users
    for number in range(count):
        user = number % users
        numbered = user % 2 == 0
        reached[user] += 1
        events.append(
            Sent(
                f"{prefix}e-{number}",
                f"{prefix}user-{user}",
                reached[user] if numbered else None,
                "game" if chance.random() < 0.5 else None,
                chance.random() < 0.05,
            )
        )
    return nearly_ordered(events + chance.sample(events, count // 20), events, chance)


def nearly_ordered(sent: Sequence[Sent], order: Sequence[Sent], chance: random.Random) -> list[Sent]:
    """`sent` in the `order` given, but for a jitter; a repetition may stand anywhere behind."""
    place = {event.id: number for number, event in enumerate(order)}
    seen: set[str] = set()
    keyed: list[tuple[float, Sent]] = []
    for event in sent:
        again = event.id in seen
        seen.add(event.id)
        start = float(place[event.id])
        keyed.append((chance.uniform(start, len(order)) if again else start + chance.uniform(0, SPREAD), event))
    return [event for _, event in sorted(keyed, key=lambda pair: pair[0])]


def poisons() -> Iterator[Record]:
    """One of each kind of what the consumer cannot use."""
    good = Sent("poison", "poisoner").record().value or b""
    spoilt = {
        b'"seq":1': (b'"seq":0', b'"seq":true', b'"seq":1.5', b'"seq":"1"', b'"seq":9007199254740992', b'"seq":NaN'),
        b'"poison"': (b"7", b"null", b'""', b'"' + b"x" * 10_240 + b'"', b'"\\u0000"', b'"\\ud800"'),
        b'"poisoner"': (b'"  "', b"null", b'"' + b"u" * 256 + b'"'),
        b'"page.viewed"': (b'""', b'"' + b"t" * 101 + b'"', b'"page.viewed","family":"nobody"'),
        b"1790000000000": (b'"yesterday"', b"1e400", b"99999999999999999999"),
    }
    numbered = orjson.dumps(orjson.loads(good) | {"payload": {"seq": 1}})
    for member, replacements in spoilt.items():
        for replacement in replacements:
            yield Record(b"poisoner", numbered.replace(member, replacement, 1))
    yield Record(b"poisoner", None)  # a tombstone
    yield Record(b"poisoner", b"")
    yield Record(None, b"not JSON")
    yield Record(b"poisoner", good[:-1])
    yield Record(b"poisoner", b'["a", "list"]')
    yield Record(b"poisoner", b"17")
    yield Record(b"poisoner", b'{"userId": "poisoner", "type": "t", "payload": {}, "timestamp": 1e12}')
    yield Record(b"poisoner", b'{"id": "p", "userId": "u", "type": "t", "payload": {"a": "\xff"}, "timestamp": 1e12}')
    yield Record(b"poisoner", b'{"id": "p", "userId": "u", "type": "t", "payload": [], "timestamp": 1e12}')
    yield Record(b"poisoner", numbered.replace(b'{"seq":1}', b'{"deep":' + b"[" * 2_000 + b"]" * 2_000 + b"}"))
    yield Record(b"poisoner", numbered.replace(b'{"seq":1}', b'{"much":' + b"9" * 30 + b"}"))
    yield Record(
        b"poisoner",
        b'{"id": "p", "userId": "u", "type": "t", "family": "game", "payload": {}, "timestamp": 1e12}',
    )
    yield Record(b"poisoner", numbered.replace(b'{"seq":1}', b'{"large":"' + b"x" * 900_000 + b'"}'))
