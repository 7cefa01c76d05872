"""What the inbox must hold of each event, and which are refused, with which sentence. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

MS = 1_759_937_422_456  # what every program's time is, once it is cut
TEXT = 'Grüße, 世界 👋 </a> \u2028 "\\'
ACCEPTED = (200, 202)
SHOWN = 200


@dataclass(frozen=True)
class Sent:
    """One event as a program sent it. `name` is its user, its key, and but for CloudEvents its id."""

    name: str
    text: str
    answer: str = ""

    @property
    def parts(self) -> list[str]:
        """Client, serializer, "http" or "kafka", and which of the events."""
        return self.name.split("/")

    @property
    def id(self) -> str:
        source, _, label = self.name.rpartition("/")
        return f"{source} {label}" if self.parts[1].startswith("cloudevents-") else self.name

    def refusal(self) -> str | None:
        """What the door said; None if it took the event, or if there was no door."""
        status, _, body = self.answer.partition(" ")
        if not status or int(status) in ACCEPTED:
            return None
        try:
            return str(json.loads(body)["error"])
        except (ValueError, KeyError, TypeError):
            return f"{status} {body}"


@dataclass(frozen=True)
class Stored:
    """What the inbox holds of it, and of a product event its row."""

    id: str
    status: str
    error: str | None
    payload: str | None
    at_ms: int | None
    price: Decimal | None = None
    quantity: int | None = None
    seq: int | None = None


@dataclass(frozen=True)
class Outcome:
    text: str
    expected: bool


def _payload(expected: object) -> Callable[[Stored], bool]:
    return lambda stored: json.loads(stored.payload or "null") == expected


EMPTY = _payload({})
EXACT: dict[str, Callable[[Stored], bool]] = {
    "plain": _payload({"path": "/start"}),
    "time": EMPTY,
    "iso8601": EMPTY,
    "atom": EMPTY,
    "money": lambda stored: (stored.price, stored.quantity) == (Decimal("129.99"), 2),
    "seq": lambda stored: stored.seq == 1,
    "null": EMPTY,
    "empty": EMPTY,
    "left-out": EMPTY,
    "text": _payload({"text": TEXT}),
    "grün 100%": _payload({"path": "/start"}),  # its label stands in headers, percent-encoded or not
}

REFUSED = {  # by serializer and event, how the sentence begins
    "jackson-2/time": "timestamp: looks like seconds",
    "ruby-json/time": "timestamp: has a blank before its zone",
    "json_encode/time": "timestamp: must be Unix milliseconds or an RFC 3339 time",
    "json_encode/array": "payload: Expected `object`, got `array`",
    "JSONSerializer/plain": "the message begins with the five bytes of a Schema Registry serializer",
    # these SDKs escape nothing, and the web server gives no application a header that is not ASCII
    "cloudevents-go-binary/http/grün 100%": "ce-id: ",
    "cloudevents-js-binary/http/grün 100%": "ce-id: ",
    "cloudevents-py-v1-binary/http/grün 100%": "ce-id: ",
}


def judge(sent: Sent, stored: Stored | None) -> Outcome:
    """What became of an event, and whether it is what the contract says."""
    _, serializer, via, label = sent.parts
    sentence = REFUSED.get(f"{serializer}/{label}", REFUSED.get(f"{serializer}/{via}/{label}"))
    error = sent.refusal() or (stored.error if stored is not None else None)
    if error is not None:
        return Outcome(f"refused: {error[:SHOWN]}", sentence is not None and error.startswith(sentence))
    if stored is None:
        return Outcome("nothing is left of it", expected=False)
    if differs := _difference(sent, stored, label):
        return Outcome(f"stored, but {differs}", expected=False)
    return Outcome("stored exactly", expected=sentence is None)


def _difference(sent: Sent, stored: Stored, label: str) -> str:
    if stored.status != "processed":
        return f"its status is {stored.status}"
    if stored.id != sent.id:
        return f"its id is {stored.id}"
    if stored.at_ms != MS:
        return f"its time is {stored.at_ms}"
    return "" if EXACT[label](stored) else f"it holds {_values(stored)}"


def _values(stored: Stored) -> Any:
    found = {"payload": stored.payload, "price": stored.price, "quantity": stored.quantity, "seq": stored.seq}
    return ", ".join(f"{name} {value}" for name, value in found.items() if value is not None)
