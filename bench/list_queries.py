"""Runs in a process of its own, on the database of its environment: asks what clients ask of the lists."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import django

from bench.list_rows import at

django.setup()

from ingest.families.declaration import event_kinds  # noqa: E402
from ingest.families.lists import family_lists  # noqa: E402
from ingest.reading.cursors import Place, write_cursor  # noqa: E402
from ingest.reading.events import EVENT_LISTS  # noqa: E402
from ingest.reading.listing import Lists, parse_query  # noqa: E402
from ingest.reading.pages import read_page  # noqa: E402
from tests.support.plans import plans_of  # noqa: E402

TIMES = 5


@dataclass(frozen=True)
class Question:
    """`place`: the cursor stands so far along the whole list, 1 being its end."""

    path: str
    parameters: Mapping[str, str]
    place: float | None = None

    def __str__(self) -> str:
        asked = "&".join(f"{name}={value}" for name, value in self.parameters.items())
        return f"{self.path}?{asked}" + ("" if self.place is None else f" after {self.place:.0%}")


def questions(rows: int) -> list[Question]:
    """`rows` are there; times are told as shares of all."""

    def moment(share: float) -> str:
        return at(rows, share).isoformat().replace("+00:00", "Z")

    past = {"since": moment(0.10), "until": moment(0.11)}
    empty = {"since": "2020-01-01T00:00:00Z", "until": "2021-01-01T00:00:00Z"}
    asked: list[Question] = []
    for path, user, kind in (("/events", "userId", "type"), ("/game-events", "playerId", "eventType")):
        asked += [
            Question(path, {}),
            Question(path, {}, place=0.9),
            Question(path, past),
            Question(path, empty),
            Question(path, {user: "user-hot"}),
            Question(path, {user: "user-hot"}, place=0.9),
            Question(path, {user: "user-hot", **past}),
            Question(path, {user: "user-gone"}),
            Question(path, {user: "user-12345"}),
            Question(path, {user: "nobody"}),
            Question(path, {kind: "type-1"}),
            Question(path, {kind: "type-1"}, place=0.9),
            Question(path, {kind: "type-1", **past}),
            Question(path, {kind: "type-rare"}),
            Question(path, {kind: "type-gone"}),
            Question(path, {kind: "type-nowhere"}),
            Question(path, {user: "user-hot", kind: "type-1"}),
            Question(path, {user: "user-hot", kind: "type-rare"}),
            Question(path, {user: "user-hot", kind: "type-nowhere"}),
            Question(path, {user: "user-12345", kind: "type-gone"}),
            Question(path, {user: "user-gone", kind: "type-1", "since": moment(0.5)}),
            Question(path, {user: "user-hot", kind: "type-gone"}),  # two large sets that share the oldest rows only
        ]
        for status in ("processed", "failed", "held"):
            asked.append(Question(path, {"status": status}))
            asked.append(Question(path, {"status": status, user: "user-hot"}))
            asked.append(Question(path, {"status": status, kind: "type-rare"}))
        asked.append(Question(path, {"status": "failed"}, place=0.9))
        asked.append(Question(path, {"status": "failed", **past}))
    return asked


def ask(lists: Lists, question: Question, rows: int) -> Callable[[], dict[str, Any]]:
    """The reading of the page, as the endpoint does it."""
    listing = lists.choose(question.parameters)
    parameters = dict(question.parameters)
    if question.place is not None:
        place = Place(at(rows, 1 - question.place), 0 if listing.whole_id else "")
        parameters["cursor"] = write_cursor(place, listing.cursor_name())
    return lambda: read_page(listing, parse_query(listing, parameters))


def main() -> None:
    rows = int(sys.argv[1])
    lists = {
        "/events": EVENT_LISTS,
        **{f"/{kind.form.path}": family_lists(kind) for kind in event_kinds() if kind.form.path},
    }
    for question in questions(rows):
        read = ask(lists[question.path], question, rows)
        took = [_ms(read) for _ in range(TIMES)]
        page = read()
        plans = [[str(node) for node in plan] for plan in plans_of(read)]
        told = {"question": str(question), "first": took[0], "ms": median(took), "plans": plans}
        print(json.dumps({**told, "shown": len(page["events"]), "more": page["next"] is not None}), flush=True)


def _ms(read: Callable[[], object]) -> float:
    started = time.perf_counter()
    read()
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    main()
