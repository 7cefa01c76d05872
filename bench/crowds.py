"""What a crowd costs its neighbours: many lanes with a gap, a lane with many gaps, a lane that is released at once.

Seconds are the database's: from when an event was received, or from its own timestamp, to when it was final.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from threading import Event as Flag
from threading import Thread
from typing import LiteralString

import orjson
import psycopg
from uuid_utils import uuid7

from bench.figures import Figure
from bench.processes import RunFailed
from bench.revisions import this_checkout
from bench.services import Services
from bench.site import Site, site
from tests.pipeline.log import Record, Topic

TIMEOUT_S = 2.0
NO_TIMEOUT_S = 3_600.0
CROWD_S = 10.0  # after their timeout, at most
EVERY_S = 0.2  # an event of a neighbour
ASK_S = 0.25  # a question takes time from what is measured; that is told by the database's clock
WAITED: LiteralString = "extract(epoch FROM max(final_at - received_at))"
NEIGHBOURS: LiteralString = (
    "SELECT coalesce(extract(epoch FROM max(final_at - received_at)), 0) FROM processing_inboxevent "
    "WHERE user_id LIKE 'neighbour-%%'"
)
BATCHES: LiteralString = "(SELECT received_at FROM processing_inboxevent WHERE user_id LIKE %s)"  # of the crowd


def measure(services: Services, lanes: int) -> Iterator[Figure]:
    """`lanes` with a gap each; a lane with half as many gaps; a lane with five times as many events."""
    crowd = [_record(f"crowd-{number}", 57) for number in range(lanes)]
    yield from _gaps(services, f"{lanes:,} lanes with a gap each", "crowd-%", crowd)
    evens = [_record("even", 2 * number) for number in range(1, lanes // 2 + 1)]
    yield from _gaps(services, f"one lane with {lanes // 2:,} gaps", "even", evens)
    yield from _released(services, lanes * 5)


def _gaps(services: Services, what: str, users: str, crowd: Sequence[Record]) -> Iterator[Figure]:
    """The crowd is written at once; beside it, a neighbour each moment, with a single gap."""
    with site(services, this_checkout()) as at:
        _start(at, TIMEOUT_S)
        neighbours = _Neighbours(at, seq=2)
        at.produce(crowd)
        at.wait_until_drained(len(crowd))
        _wait_until_final(at, users, len(crowd))
        neighbours.end()
        at.wait_until_drained(1 + len(crowd) + neighbours.sent)
        _wait_until_final(at, "neighbour-%", neighbours.sent)
        waited = _value(at, f"SELECT {WAITED} FROM processing_inboxevent WHERE user_id LIKE %s", users)
        yield Figure(f"{what}: the last event, after its timeout", waited - TIMEOUT_S, "s", CROWD_S)
        for name, condition, target in (
            ("that came in another batch", "NOT IN", 2 * TIMEOUT_S),
            ("that came in one batch with some of them", "IN", None),  # it has the crowd's own time, too
        ):
            beside = _value(at, f"{NEIGHBOURS} AND received_at {condition} {BATCHES}", users)
            yield Figure(f"{what}: a neighbour's single gap beside them, {name}, at most", beside, "s", target)


def _released(services: Services, events: int) -> Iterator[Figure]:
    """A lane whose first event comes last; beside it, an event of a neighbour each moment."""
    with site(services, this_checkout()) as at:
        _start(at, NO_TIMEOUT_S)
        at.produce(_record("long", seq) for seq in range(2, events + 2))
        at.wait_until_drained(1 + events)
        neighbours = _Neighbours(at, seq=1)
        at.produce([_record("long", 1)])
        _wait_until_final(at, "long", events + 1)
        neighbours.end()
        at.wait_until_drained(2 + events + neighbours.sent)
        _wait_until_final(at, "neighbour-%", neighbours.sent)
        taken = "SELECT extract(epoch FROM max(final_at) - min(final_at)) FROM processing_inboxevent"
        name = f"{events:,} held events of one lane released at once"
        yield Figure(f"{name}: all of them", _value(at, f"{taken} WHERE user_id = 'long'"), "s")
        late = "SELECT extract(epoch FROM max(final_at - occurred_at)) FROM processing_inboxevent"
        beside = _value(at, f"{late} WHERE user_id LIKE 'neighbour-%%'")
        yield Figure(f"{name}: a neighbour's event beside them, from its sending, at most", beside, "s", 5.0)


class _Neighbours:
    """Sends an event of another user every moment, until `end`, by a client of its own."""

    def __init__(self, at: Site, seq: int) -> None:
        self.sent = 0
        self._topic: Topic = at.topic
        self._seq = seq
        self._over = Flag()
        self._thread = Thread(target=self._send, name="neighbours", daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._thread.join()

    def _send(self) -> None:
        while not self._over.wait(EVERY_S):
            self._topic.produce([_record(f"neighbour-{self.sent}", self._seq)])
            self.sent += 1


def _start(at: Site, timeout_s: float) -> None:
    at.environment["SEQUENCE_GAP_TIMEOUT_MS"] = str(round(timeout_s * 1000))
    at.start("consumer")
    at.produce([_record("first", 1)])
    at.wait_until_drained(1)
    at.wait_until_quiet()


def _record(user: str, seq: int) -> Record:
    envelope = {"id": str(uuid7()), "userId": user, "type": "page.viewed", "payload": {"seq": seq}}
    return Record(user.encode(), orjson.dumps({**envelope, "timestamp": round(time.time() * 1000)}))


def _wait_until_final(at: Site, users: str, events: int) -> None:
    """Raises `RunFailed`. Asks now and then for lanes that wait, and counts once."""
    waiting = "SELECT count(*) FROM processing_lane WHERE waiting_since IS NOT NULL AND user_id LIKE %s"

    def problem() -> str:
        return f"lanes of {users} wait: {_value(at, waiting, users):,.0f}"

    def all_moved() -> bool:
        time.sleep(ASK_S)
        return _value(at, waiting, users) == 0

    at.wait_until(all_moved, 600, problem)
    final = "SELECT count(*) FROM processing_inboxevent WHERE user_id LIKE %s AND final_at IS NOT NULL"
    found = _value(at, final, users)
    if found != events:
        raise RunFailed(f"LOST: {found:,.0f} of {events:,} events of {users} are final")


def _value(at: Site, statement: LiteralString, *parameters: str) -> float:
    with psycopg.connect(at.database) as connection:
        row = connection.execute(statement, parameters).fetchone()
    assert row is not None
    return float(row[0])
