"""Kinds that are set aside, many of them or much of one, harm no others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings
from redis import Redis

from processing.background import kinds as background
from processing.background import sweeper
from processing.domain.failing_kinds import Failing
from processing.domain.failures import Cause
from processing.engine import failing_kinds, set_aside
from processing.postgres import due, kinds
from tests.support import flaky
from tests.support.batches import applied, column, retry_all, statuses, store, value
from tests.support.kinds import TYPE, drain_all, pause, resume, states, took_effect

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("hints_off", "fresh")]


@pytest.fixture
def fresh(redis: Redis, settings: Settings) -> Iterator[None]:
    flaky.runs.clear()
    settings.RETRY_BACKOFF_MS = 0
    yield
    column("DELETE FROM processing_kind RETURNING name")


def stop(kind: str = TYPE) -> None:
    failing_kinds.stop([Failing(kind, "4 handler runs failed", Cause("RuntimeError", "shop:1"))])


def test_many_kinds_that_drain_have_their_turns_one_after_the_other() -> None:
    """Batches wait for one step between them, not for one of each kind."""
    for type in "abc":
        pause(f"flaky/{type}")
        store(value(f"{type}1", type=type), value(f"{type}2", type=type))
        resume(f"flaky/{type}")
    tender = set_aside.Tender()
    turns = [[outcome.event.type for result in tender.tend(0) for outcome in result.outcomes] for _ in range(3)]
    assert turns == [["a", "a"], ["b", "b"], ["c", "c"]]


def test_a_worker_goes_on_with_the_next_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "SECONDS", 0)
    for type in "ab":
        pause(f"flaky/{type}")
        store(*(value(f"{type}{n:02}", type=type) for n in range(set_aside.FIRST_ROWS + 1)))
        resume(f"flaky/{type}")
    for _ in range(2):
        background.tend_kinds()
    waiting = column("SELECT DISTINCT waits_for FROM processing_inboxevent WHERE waits_for IS NOT NULL ORDER BY 1")
    assert waiting == ["flaky/a", "flaky/b"]
    assert len(took_effect()) == 2 * set_aside.FIRST_ROWS


def test_many_kinds_that_are_stopped_are_probed_one_after_the_other() -> None:
    for type in "abc":
        stop(f"flaky/{type}")
        store(value(type, type=type, fails=9))
    column("UPDATE processing_kind SET next_probe_at = '2000-01-01' RETURNING name")
    tender = set_aside.Tender()
    tried = [[outcome.event.id for result in tender.tend(0) for outcome in result.outcomes] for _ in range(3)]
    assert tried == [["a"], ["b"], ["c"]]


def test_a_probe_looks_past_events_that_their_lane_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lane that waits for another kind had made it drain, untried, and what waited for it lost its tries."""
    monkeypatch.setattr(kinds, "LOOKED_AT", 2)
    pause("flaky/x")
    stop()
    store(value("x", "stuck", seq=1, type="x"), *(value(f"t{seq}", "stuck", seq=seq) for seq in (2, 3, 4)))
    store(value("free", "v", fails=9), value("other", "w"))
    column("UPDATE processing_kind SET next_probe_at = '2000-01-01' WHERE state = 'stopped' RETURNING name")
    (row,) = (row for row in kinds.find_kinds() if row.name == TYPE)
    assert set_aside.probe(row) is not None
    assert statuses()["free"] == ("retrying", 1)
    assert states()[TYPE] == "stopped"
    flaky.runs["free"] = 9
    resume()
    resume("flaky/x")
    drain_all()
    retry_all()
    assert set(statuses().values()) == {("processed", 1), ("processed", 2)}
    assert applied("stuck") == [1, 2, 3, 4]


def test_while_lanes_hold_all_that_waits_a_stopped_kind_stays_stopped() -> None:
    pause("flaky/x")
    stop()
    store(value("x", "stuck", seq=1, type="x"), value("t2", "stuck", seq=2))
    column("UPDATE processing_kind SET next_probe_at = '2000-01-01' WHERE state = 'stopped' RETURNING name")
    (row,) = (row for row in kinds.find_kinds() if row.name == TYPE)
    assert set_aside.probe(row) is None
    resume("flaky/x")
    tender = set_aside.Tender()
    while "flaky/x" in states():
        for result in tender.tend(0):
            assert {outcome.event.id for outcome in result.outcomes} <= {"x", "t2"}
    assert statuses()["x"] == ("processed", 1)


def test_what_a_step_leaves_of_a_lane_is_rescued_if_the_process_dies_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pause()
    store(*(value(f"{seq}", seq=seq) for seq in range(1, 6)))
    resume()
    monkeypatch.setattr(due, "TURN_ROWS", 2)
    step = set_aside.drain(TYPE, 5)
    assert step is not None
    assert (applied(), step.left) == ([1, 2], ["3", "4", "5"])
    column("UPDATE processing_lane SET waiting_since = now() - interval '1 minute' RETURNING user_id")
    sweeper.rescue_lanes()
    assert applied() == [1, 2, 3, 4, 5]


def test_a_family_with_many_stopped_types_is_stopped_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each stopped kind is a row that every batch reads, so free text must not make ever more of them."""
    monkeypatch.setattr(failing_kinds, "MOST_TYPES", 2)
    for type in ("a", "b", "c", "d"):
        stop(f"flaky/{type}")
    assert states() == dict.fromkeys(("flaky", "flaky/a", "flaky/b"), "stopped")


def test_a_poison_of_a_paused_topic_is_a_dead_letter_at_once() -> None:
    """It is no event, and no handler waits for it; the partition moves on."""
    pause("topic:events")
    store(b"no JSON", value("a"))
    (poison,) = (status for id, status in statuses().items() if id.startswith("poison-"))
    assert (poison, statuses()["a"]) == (("failed", 0), ("held", 0))
