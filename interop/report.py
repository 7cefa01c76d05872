"""What the programs print, read; and the tables, in Markdown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from interop.expected import Outcome, Sent
from interop.keys import Agreement

SHOWN = 110
NAME = "\ufffd"  # stands for an event's name while a text is shortened
SAME_IN_ALL = re.compile(
    rf'"(?:id|eventId|userId|type)": ?"(?:{NAME}|interop)",? ?|, ?"(?:userId|type)": ?"[^"]*"(?=}})'
)
Versions = Mapping[str, str]
Outcomes = Sequence[tuple[Sent, Outcome]]


def read(lines: Iterable[str]) -> tuple[Versions, list[Sent], list[Sent]]:
    """Versions by client and serializer, the events sent, and those that a Kafka client is to carry for a program."""
    versions = {"carried": ""}
    sent: list[Sent] = []
    carried: list[Sent] = []
    for line in lines:
        kind, *values = line.split("\t")
        if kind == "version":
            versions[values[0]] = values[1]
        elif kind == "sent":
            sent.append(Sent(*values))
        elif kind == "carry":
            carried.append(Sent(*values))
    return versions, sent, carried


def table(outcomes: Outcomes, versions: Versions) -> str:
    head = "| client | serializer | by | event | written | outcome |"
    return "\n".join([head, "|---|---|---|---|---|---|", *(_row(*each, versions) for each in outcomes)])


def _row(sent: Sent, outcome: Outcome, versions: Versions) -> str:
    client, serializer, via, label = sent.parts
    mark = "" if outcome.expected else "NOT EXPECTED: "
    cells = [_named(client, versions), _named(serializer, versions), via, label, _written(sent), mark + outcome.text]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _named(name: str, versions: Versions) -> str:
    known = versions.get(name) or versions.get(name.removesuffix("-binary").removesuffix("-structured"), "")
    return f"{name} {known}".strip()


def _written(sent: Sent) -> str:
    """The text without what the other cells tell."""
    text = SAME_IN_ALL.sub("", sent.text.replace(sent.name, NAME).replace(sent.name.replace("/", "\\/"), NAME))
    return f"`{text[:SHOWN].replace(NAME, '…')}{'…' if len(text) > SHOWN else ''}`"


def summary(outcomes: Outcomes, versions: Versions) -> str:
    """One line for each client and serializer."""
    counts: dict[tuple[str, str, str], Counter[str]] = {}
    for sent, outcome in outcomes:
        client, serializer, via, _ = sent.parts
        counts.setdefault((client, serializer, via), Counter())[_kind(outcome)] += 1
    head = f"| client | serializer | by | {' | '.join(KINDS)} |"
    rows = [
        f"| {_named(client, versions)} | {_named(serializer, versions)} | {via} | "
        + " | ".join(str(count[kind]) for kind in KINDS)
        + " |"
        for (client, serializer, via), count in counts.items()
    ]
    return "\n".join([head, "|---|---|---|---|---|---|", *rows])


KINDS = ("stored exactly", "refused as expected", "not expected")


def _kind(outcome: Outcome) -> str:
    if not outcome.expected:
        return KINDS[2]
    return KINDS[0] if outcome.text == KINDS[0] else KINDS[1]


def agreements(found: Iterable[Agreement]) -> str:
    rows = [f"| {each.partitioner} | {each.elsewhere:.1%} |" for each in found]
    return "\n".join(["| partitioner | keys elsewhere than the door's |", "|---|---|", *rows])
