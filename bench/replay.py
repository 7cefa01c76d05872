"""What a replay run of a great many dead letters costs others: how late their events are meanwhile, and memory.

Others' events come steadily, by HTTP; the tenth part of them are the next ones of lanes that the run replays. Each is
timed from its answer to when Redis says that its `dedup:` key was written, which follows Postgres' commit.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import quantiles
from threading import Event as Flag
from typing import Any

import psycopg
from redis import Redis

from bench.figures import Figure
from bench.ingest import PATH
from bench.measure import Meter
from bench.replay_rows import USERS, put_dead_letters
from bench.revisions import this_checkout
from bench.rounds import say
from bench.services import Services
from bench.site import Site, site
from bench.steady import Accepted, Finals, send

RATE = 100  # others' events a second
BEFORE_S = 10
LATE_S = 5.0  # none of them later, whatever the run does
OTHERS = "other-"
ASK_S, TELL_S = 0.5, 30.0
WATCHED_S = 120  # of replaying, at most: then the run is cancelled
LONGEST_S = 1_800
PEAKS = ("worker", "consumer", "Redis")
RUN = "INSERT INTO processing_replayrun (id, choice, actor) VALUES (1, '{}', 'measured')"  # as its page begins one
CANCEL = "UPDATE processing_replayrun SET cancelled_at = now() WHERE phase <> 'done'"
STATE = "SELECT CASE WHEN ended_at IS NULL THEN phase ELSE 'over' END, replayed FROM processing_replayrun"
OUT_OF_ORDER = """
SELECT count(*) FROM (SELECT seq < lag(seq) OVER (PARTITION BY player_id ORDER BY id) AS before
                      FROM game_events WHERE seq IS NOT NULL AND event_id NOT LIKE 'other-%') AS rows WHERE before
"""


def measure(services: Services, letters: int) -> Iterator[Figure]:
    with site(services, this_checkout()) as at, psycopg.connect(at.database, autocommit=True) as connection:
        say(f"{letters:,} dead letters are made")
        put_dead_letters(connection, letters)
        at.start(*PATH)
        at.wait_until_web_is_ready()
        _wait_for_list(at, letters)
        at.wait_until_quiet()
        yield from _beside(at, connection, letters)


def _beside(at: Site, connection: psycopg.Connection[Any], letters: int) -> Iterator[Figure]:
    finals, over = Finals(at.services.redis, OTHERS), Flag()
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send, at, RATE, lambda number: _event(number, letters), lambda _: not over.is_set())
        try:
            time.sleep(BEFORE_S)
            meter, began = Meter(at.pids), time.perf_counter()
            phases = _run(at, connection)
            measured, ended = meter.stop(letters), time.perf_counter()
        finally:
            over.set()
        others = sending.result()
    finals.wait_for(len(others))
    _, replayed = _state(connection)
    at.require_value("SELECT succeeded FROM processing_replayrun", replayed)
    at.require_value("SELECT count(*) FROM game_events", replayed + len(others))
    at.require_value(OUT_OF_ORDER, 0)
    name = f"a replay run of {letters:,}"
    for phase, seconds in phases.items():
        yield Figure(f"{name}: {phase}", seconds, "s")
    yield Figure(f"{name}: replayed, and tried", replayed / phases["replaying"], "events/s")
    during = [id for id, each in others.items() if began <= each.answered <= ended]
    before = [id for id, each in others.items() if each.answered < began]
    yield from _figures("others' events before it", before, others, finals.at, None)
    yield from _figures(f"{name}: others' events", during, others, finals.at, LATE_S)
    for process in PEAKS:
        yield Figure(f"{name}: peak memory of {process}", measured.peak_mb[process], "MB")


def _figures(
    what: str, ids: Sequence[str], others: Mapping[str, Accepted], finals: Mapping[str, float], target: float | None
) -> Iterator[Figure]:
    for name, waited in (
        ("acceptance to outcome", [max(0.0, finals[id] - others[id].answered) for id in ids]),
        ("answer", [others[id].answered - others[id].due for id in ids]),
    ):
        cuts = quantiles(waited, n=100)
        label = f"{what}, {len(ids):,}, {name}"
        yield Figure(f"{label}: p50", cuts[49] * 1000, "ms")
        yield Figure(f"{label}: p99", cuts[98] * 1000, "ms")
        yield Figure(f"{label}: the latest", max(waited), "s", target)


def _event(number: int, letters: int) -> dict[str, object]:
    payload: dict[str, object] = {"gameId": f"game-{number % 50}", "data": {"ply": number % 200, "san": "Nf3"}}
    user = f"{OTHERS}{number}"
    if number % 10 == 0:  # every lane of the run in turn, from where the dead letters end
        lane, turn = number // 10 % (USERS // 2), number // 10 // (USERS // 2)
        user, payload["seq"] = f"late-{2 * lane}", letters // USERS + 1 + turn
    return {"eventId": f"{OTHERS}{number}", "userId": user, "type": "game.move", "family": "game", "payload": payload}


def _wait_for_list(at: Site, letters: int) -> None:
    with Redis.from_url(at.services.redis) as redis:
        problem = "the list of dead letters is not in Redis"
        at.wait_until(lambda: int(redis.llen("dlq:list")) == letters, 120, lambda: problem)


def _run(at: Site, connection: psycopg.Connection[Any]) -> dict[str, float]:
    """Start a run of all; the seconds that each of its phases takes, until it is over."""
    connection.execute(RUN.encode())
    phases: dict[str, float] = defaultdict(float)
    last = told = time.perf_counter()

    def is_over() -> bool:
        nonlocal last, told
        time.sleep(ASK_S)
        phase, replayed = _state(connection)
        now = time.perf_counter()
        phases["replaying" if phase == "over" else phase] += now - last
        last = now
        if now - told > TELL_S:
            told = now
            say(f"{phase}, {replayed:,}")
        if phases["replaying"] > WATCHED_S:
            connection.execute(CANCEL.encode())
        return phase == "over"

    at.wait_until(is_over, LONGEST_S, lambda: f"the run is not over: {_state(connection)}")
    return phases


def _state(connection: psycopg.Connection[Any]) -> tuple[str, int]:
    """A run's phase, or that it is over, and how many it has replayed."""
    row = connection.execute(STATE.encode()).fetchone()
    assert row is not None
    return row[0], row[1]
