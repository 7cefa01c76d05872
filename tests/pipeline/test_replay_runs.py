"""Replay runs, started and cancelled on the admin's pages, while the processes that take them further are killed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import httpx
import psycopg
import pytest

from tests.pipeline.load import Sent
from tests.pipeline.log import Record
from tests.pipeline.processes import Process
from tests.pipeline.stack import Stack

pytestmark = pytest.mark.pipeline

USERS, NUMBERED, FREE = 100, 10, 8
MENDED, BROKEN, POISON = USERS * (NUMBERED + FREE), USERS, USERS
ALL = MENDED + BROKEN + POISON
AT_ONCE = {"RETRY_MAX_RETRIES": "0"}  # a failed try is the last: the first replay mends what was to fail once
LOGIN = {"username": "ada", "password": "of a test, and long enough"}
# a try waits while the test holds this lock: so there is a middle in which to be killed
SLOW = """
CREATE FUNCTION wait_for_test() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN NEW; END $$;
CREATE TRIGGER wait_for_test BEFORE INSERT ON game_events FOR EACH ROW EXECUTE FUNCTION wait_for_test();
"""
STEP_WAITS = """SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
                  AND query LIKE '%%processing_lane%%FOR UPDATE%%'"""
TRIES_WAIT = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND NOT granted"


class Drill:
    """Dead letters of several causes, an operator who is logged in, and the processes that can be killed."""

    def __init__(self, stack: Stack, admin: httpx.Client) -> None:
        self.stack = stack
        self.admin = admin
        self.others = 0
        stack.start("web", **AT_ONCE)
        stack.produce(record for number in range(NUMBERED) for user in range(USERS) for record in _of(user, number))
        self.processes: dict[str, Process] = {}
        self.start("consumer")
        stack.wait_until(lambda: stack.count("processing_deadletter") == ALL, "all have failed")
        stack.sql(SLOW)
        self.start("worker", "beat")
        person = {f"DJANGO_SUPERUSER_{name.upper()}": value for name, value in LOGIN.items()}
        stack.manage("createsuperuser", "--noinput", "--email", "", **person)
        stack.wait_until(self._is_served, "the admin is served")
        self._post("/login/", next="/admin/", **LOGIN)

    def start(self, *names: str) -> None:
        for name in names:
            self.processes[name] = self.stack.start(name, **AT_ONCE)

    def kill(self, *names: str) -> None:
        for name in names:
            self.processes[name].kill()

    def start_run(self) -> None:
        """By the form that says what it will do."""
        page = self.admin.get("/processing/replayrun/start/", params={"choice": "{}"}).text
        assert f"Replay {ALL:,}" in page
        assert "dead letters that it takes" in self._post("/processing/replayrun/start/", choice="{}", why="mended")

    def change_run(self, change: str) -> str:
        return self._post(f"/processing/replayrun/{self.run}/act/{change}/")

    @property
    def run(self) -> int:
        return int(self.stack.value("SELECT id FROM processing_replayrun"))

    @contextmanager
    def in_a_step(self) -> Iterator[None]:
        """During the block no step of a run is committed: each waits for the lane of a user in the middle of it."""
        with psycopg.connect(self.stack.database_url) as connection:
            connection.execute("SELECT FROM processing_lane WHERE user_id = 'user-50' FOR UPDATE")
            yield

    def wait_for_a_step(self) -> None:
        self.stack.wait_until(lambda: int(self.stack.value(STEP_WAITS)) > 0, "a step has begun")
        assert self.replayed < MENDED + BROKEN

    def hold(self) -> None:
        """No game event takes effect until `let_go`. Waits for the tries that are under way."""
        self.stack.sql("SELECT pg_advisory_lock(7)")

    def let_go(self) -> None:
        self.stack.sql("SELECT pg_advisory_unlock(7)")

    def wait_for_a_try(self) -> None:
        """The step before it is committed then, and no other is until it is over."""
        self.stack.wait_until(lambda: int(self.stack.value(TRIES_WAIT)) > 0, "a try has begun")
        assert 0 < self.replayed < MENDED + BROKEN

    @property
    def replayed(self) -> int:
        return int(self.stack.value("SELECT replayed FROM processing_replayrun"))

    def send_others(self) -> None:
        events = [Sent(f"other-{self.others + n}", f"reader-{n % 20}") for n in range(200)]
        self.stack.produce(event.record() for event in events)
        self.others += len(events)

    def wait_until_over(self) -> None:
        ended = "SELECT count(*) FROM processing_replayrun WHERE ended_at IS NOT NULL"
        self.stack.wait_until(lambda: self.stack.value(ended) == 1, "the run is over")

    def check(self) -> None:
        """Each event ended once, in the order of its user; the run's counts are those of its rows."""
        self.wait_until_over()
        self.stack.wait_until_final(ALL + self.others)
        counts = "SELECT phase, chosen, replayed, succeeded, failed, refused, skipped FROM processing_replayrun"
        assert self.stack.sql(counts) == [("done", ALL, MENDED + BROKEN, MENDED, BROKEN, POISON, 0)]
        states = self.stack.sql("SELECT state, count(*) FROM processing_replayitem GROUP BY state")
        assert dict(states) == {"succeeded": MENDED, "failed": BROKEN, "refused": POISON}
        assert "<b>done</b>" in self.admin.get(f"/processing/replayrun/{self.run}/change/").text
        tried = "processing_inboxevent WHERE id NOT LIKE 'other-%%' GROUP BY 1, 2 ORDER BY 1, 2"
        expected = [("failed", 0, POISON), ("failed", 2, BROKEN), ("processed", 2, MENDED)]
        assert self.stack.sql(f"SELECT status, attempts, count(*) FROM {tried}") == expected
        self._check_effects()
        letters = {id for (id,) in self.stack.sql("SELECT event_id FROM processing_deadletter")}
        assert len(letters) == BROKEN + POISON
        assert sorted(self.stack.redis.lrange("dlq:list", 0, -1)) == sorted(letters)

    def _check_effects(self) -> None:
        applied = [id for (id,) in self.stack.sql("SELECT event_id FROM game_events ORDER BY id")]
        assert len(set(applied)) == len(applied) == MENDED
        for user in range(USERS):
            for kind in ("numbered", "free"):
                ids = [id for id in applied if id.startswith(f"{kind}-{user:02}-")]
                assert all(earlier < later for earlier, later in pairwise(ids)), ids
            seqs = [str(seq) for seq in range(1, NUMBERED + 1)]
            assert self.stack.redis.lrange(f"order:user-{user:02}", 0, -1) == seqs

    def _is_served(self) -> bool:
        try:
            return self.admin.get("/login/").is_success
        except httpx.TransportError:
            return False

    def _post(self, path: str, **data: str) -> str:
        answer = self.admin.post(path, data={**data, "csrfmiddlewaretoken": self.admin.cookies["csrftoken"]})
        assert answer.is_success, answer.text
        return answer.text


@pytest.fixture
def drill(stack: Stack) -> Iterator[Drill]:
    address = f"http://127.0.0.1:{stack.environment['WEB_PORT']}/admin"
    with httpx.Client(base_url=address, follow_redirects=True, timeout=60) as admin:
        yield Drill(stack, admin)


def _of(user: int, number: int) -> list[Record]:
    """Of a user, at this place in the log: what failed once, what fails again, what cannot be read."""
    name, place = f"user-{user:02}", f"{user:02}-{number:02}"
    events = [Sent(f"numbered-{place}", name, number + 1, family="game", fail=1)]
    if number < FREE:
        events.append(Sent(f"free-{place}", name, family="game", fail=1))
    elif number == FREE:
        events.append(Sent(f"broken-{place}", name, fail=True))
    else:
        return [*(event.record() for event in events), Record(name.encode(), f"no JSON of {name}".encode())]
    return [event.record() for event in events]


def test_a_run_ends_each_event_once_and_in_order_though_all_that_work_at_it_are_killed(drill: Drill) -> None:
    with drill.in_a_step():
        drill.start_run()
        drill.wait_for_a_step()
        drill.kill("worker", "beat")
    drill.hold()
    drill.start("worker", "beat")
    drill.wait_for_a_try()
    drill.send_others()
    drill.kill("worker", "consumer")
    drill.let_go()
    drill.start("worker", "consumer")
    drill.check()


def test_a_run_that_is_cancelled_half_way_goes_on_with_the_rest_though_its_workers_are_killed(
    stack: Stack, drill: Drill
) -> None:
    drill.hold()
    drill.start_run()
    drill.wait_for_a_try()
    assert "Cancelled replay" in drill.change_run("cancel")
    drill.kill("worker")
    drill.let_go()
    drill.start("worker")
    drill.wait_until_over()
    states = dict(stack.sql("SELECT state, count(*) FROM processing_replayitem GROUP BY state"))
    assert states["chosen"] == ALL - drill.replayed - states.get("refused", 0)
    assert stack.count("game_events") == states["succeeded"]

    with drill.in_a_step():
        assert "goes on" in drill.change_run("go_on")
        drill.wait_for_a_step()
        drill.kill("worker", "beat")
    drill.start("worker", "beat")
    drill.check()
