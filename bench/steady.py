"""How long an accepted event takes to its outcome, with events coming steadily, far below what is possible.

Each is timed: from its answer to when Redis says that its `dedup:` key was written, which follows Postgres' commit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from queue import SimpleQueue
from statistics import quantiles
from typing import Any, NamedTuple, cast

import orjson
from redis import Redis

from bench.figures import Figure
from bench.ingest import PATH
from bench.processes import RunFailed, wait_until
from bench.revisions import this_checkout
from bench.services import Services
from bench.site import Site, site

RATE = 1_000  # events a second
PER_CALL = 10
FIRST_S = 40  # not counted: connections are opened, statements prepared, a young broker compiles itself
CONNECTIONS = 8
WAIT_S = 10.0
LOOK_S = 0.1  # so often the subscriber sees whether it is to end
KEYS = "__keyspace@0__:dedup:"
P50_MS, P99_MS = 15, 60


def measure(services: Services, events: int) -> Iterator[Figure]:
    with site(services, this_checkout()) as at:
        at.start(*PATH)
        at.wait_until_web_is_ready()
        at.wait_until_quiet()
        finals = Finals(services.redis)
        accepted = send(at, RATE, _event, lambda sent: sent < events + FIRST_S * RATE)
        finals.wait_for(len(accepted))
        at.require_final(len(accepted))
    waited_ms = [max(0.0, finals.at[id] - each.answered) * 1000 for id, each in list(accepted.items())[-events:]]
    cuts = quantiles(waited_ms, n=100)
    name = f"acceptance to outcome at {RATE:,} events/s, {len(waited_ms):,} events"
    yield Figure(f"{name}: p50", cuts[49], "ms", P50_MS)
    yield Figure(f"{name}: p99", cuts[98], "ms", P99_MS)


def _event(number: int) -> dict[str, object]:
    return {"userId": f"steady-{number}", "type": "page.viewed", "payload": {}}


class Finals:
    """When each event's `dedup:` key was written (time.perf_counter()), by id, as Redis tells its subscriber; of those
    whose ids begin so."""

    def __init__(self, address: str, ids: str = "") -> None:
        self.at: dict[str, float] = {}
        self._redis = cast(Any, Redis.from_url(address, decode_responses=True))
        self._redis.config_set("notify-keyspace-events", "K$")
        told = self._redis.pubsub(ignore_subscribe_messages=True)
        told.psubscribe(**{f"{KEYS}{ids}*": self._note})
        self._thread = told.run_in_thread(sleep_time=LOOK_S, daemon=True)

    def wait_for(self, events: int) -> None:
        """Until so many have been told. Raises `RunFailed` if they never are."""
        problem = f"LOST: fewer than {events} events are final"
        wait_until(lambda: len(self.at) >= events, WAIT_S, lambda: problem)
        self._thread.stop()
        self._thread.join()
        self._redis.config_set("notify-keyspace-events", "")

    def _note(self, message: Mapping[str, str]) -> None:
        self.at.setdefault(message["channel"].removeprefix(KEYS), time.perf_counter())


class Accepted(NamedTuple):
    """When an event was to be sent, and when it was answered (time.perf_counter())."""

    due: float
    answered: float


def send(
    at: Site, rate: int, new_event: Callable[[int], Mapping[str, object]], goes_on: Callable[[int], bool]
) -> dict[str, Accepted]:
    """So many a second while `goes_on`, which is asked with the number sent; each call at its own time whatever became
    of those before. By id when each was accepted."""
    connections: SimpleQueue[HTTPConnection] = SimpleQueue()
    for _ in range(CONNECTIONS):
        connections.put(HTTPConnection("127.0.0.1", at.web_port, timeout=WAIT_S))
    accepted: dict[str, Accepted] = {}

    def call(first: int, due: float) -> None:
        bodies = [new_event(number) for number in range(first, first + PER_CALL)]
        connection = connections.get()
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/events/batch", orjson.dumps({"events": bodies}), headers)
        results = orjson.loads(connection.getresponse().read())["results"]
        now = time.perf_counter()
        connections.put(connection)
        accepted.update({each["eventId"]: Accepted(due, now) for each in results if each["status"] == "accepted"})

    sent = 0
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        started = time.perf_counter()
        while goes_on(sent):
            due = started + sent / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            pool.submit(call, sent, due)
            sent += PER_CALL
    if len(accepted) < sent:
        raise RunFailed(f"LOST: {len(accepted)} of {sent} events were accepted")
    return accepted
