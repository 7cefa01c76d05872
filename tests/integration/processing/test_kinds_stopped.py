"""A kind that keeps failing: what stops it, what is tried, what lets it go on; and that nobody else waits."""

from __future__ import annotations

import pytest
from pytest_django.fixtures import Settings
from redis import Redis

from processing.background.kinds import tend_kinds
from processing.domain.failing_kinds import FailingKinds, Limits
from processing.domain.kinds import KindState
from processing.engine import after_commit, set_aside
from processing.models import Kind
from processing.operators.health import degraded
from processing.postgres import kinds
from tests.support import flaky
from tests.support.batches import column, retry_all, statuses, store, value

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("hints_off")]


@pytest.fixture
def limit_of_three(redis: Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    flaky.runs.clear()
    settings.RETRY_BACKOFF_MS = 0
    monkeypatch.setattr("processing.background.kinds.SECONDS", 60.0)
    monkeypatch.setattr(after_commit, "_window", FailingKinds(Limits(in_a_row=3, percent=0, size=10)))


@pytest.fixture
def stopped(limit_of_three: None) -> None:
    """Three events that fail for good, and their type, which is stopped."""
    settled = store(*(value(f"e{n}", f"u{n}", seq=1, fails=2) for n in range(1, 4)))
    after_commit.after_commit(settled)


def probe() -> bool:
    """Whether the time for a probe had come."""
    (row,) = kinds.find_kinds()
    return set_aside.probe(row) is not None


def states() -> dict[str, str]:
    return {row.name: row.state.value for row in kinds.find_kinds()}


def test_it_says_why_without_a_word_of_the_event(stopped: None) -> None:
    (problem,) = degraded()
    assert "3 handler runs failed in a row" in problem
    assert "type 't' of family flaky is stopped" in problem
    assert "RuntimeError in tests.support.flaky:" in problem
    assert not any(text in problem for text in ("is not ready", "e1", "e3", "u1"))


def test_retries_wait(stopped: None) -> None:
    assert retry_all() == 0
    assert {attempts for _, attempts in statuses().values()} == {1}


def test_new_events_are_stored_and_wait_while_others_are_processed(stopped: None) -> None:
    store(value("new", "u9"), value("other type", "u9", type="fine"), value("other family", "u9", family="game"))
    assert statuses()["new"] == ("held", 0)
    assert statuses()["other type"] == ("processed", 1)
    assert column("SELECT waits_for FROM processing_inboxevent WHERE id = 'new'") == ["flaky/t"]
    assert column("SELECT raw IS NOT NULL AND topic = 'events' FROM processing_inboxevent WHERE id = 'new'") == [True]


def test_it_tries_one_event_at_a_time_each_time_another(stopped: None) -> None:
    for _ in range(3):
        assert probe()
    assert statuses() == {f"e{n}": ("retrying", 2) for n in (1, 2, 3)}
    assert states() == {"flaky/t": "stopped"}


def test_a_success_lets_it_go_on(stopped: None) -> None:
    for _ in range(4):
        assert probe()
    assert sorted(statuses().values()) == [("processed", 3), ("retrying", 2), ("retrying", 2)]
    assert states() == {"flaky/t": "draining"}
    assert degraded() == []
    tend_kinds()
    assert states() == {}


def test_nothing_that_waits_lets_it_go_on(stopped: None) -> None:
    column("UPDATE processing_inboxevent SET status = 'processed' RETURNING id")
    assert not probe()
    tend_kinds()
    assert states() == {}


def test_drills_are_not_tried(stopped: None, settings: Settings) -> None:
    settings.FAULT_INJECTION = True
    column("UPDATE processing_inboxevent SET payload = '{\"fail\": true}' RETURNING id")
    assert not probe()
    assert states() == {"flaky/t": "draining"}


def test_what_only_looks_like_a_drill_is_tried(stopped: None, settings: Settings) -> None:
    """A text is no number of tries: its handler runs, and so tells whether the kind is well."""
    settings.FAULT_INJECTION = True
    column('UPDATE processing_inboxevent SET payload = \'{"fail": "5", "fails": 9}\' RETURNING id')
    assert probe()
    assert states() == {"flaky/t": "stopped"}


def test_a_try_waits_for_its_time(stopped: None) -> None:
    Kind.objects.update(next_probe_at="2999-01-01T00:00:00Z")
    assert not probe()
    assert {attempts for _, attempts in statuses().values()} == {1}


def test_when_it_fails_while_it_drains_it_is_stopped_again_before_all_have_lost_a_try(stopped: None) -> None:
    store(*(value(f"n{n:03}", "u", fails=9) for n in range(100)))
    column("UPDATE processing_kind SET state = 'draining' RETURNING name")
    tend_kinds()
    assert states() == {"flaky/t": "stopped"}
    tried = [id for id, (_, attempts) in statuses().items() if id.startswith("n") and attempts]
    assert len(tried) == set_aside.FIRST_ROWS


def test_150_failing_events_of_one_type_stop_nobody_else_and_it_heals_itself(
    redis: Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The issue's input: families and users that have nothing to do with it were stopped for hours."""
    flaky.runs.clear()
    settings.RETRY_BACKOFF_MS = 0
    monkeypatch.setattr(after_commit, "_window", FailingKinds(Limits(in_a_row=100, percent=50, size=1000)))
    bad = [value(f"bad-{n}", f"u{n % 7}", type="bad", fails=2) for n in range(150)]
    good = [value(f"good-{n}", f"u{n % 7}", type="good", seq=n // 7 + 1) for n in range(70)]
    bare = [value(f"bare-{n}", f"u{n % 7}", family=None) for n in range(70)]
    for start in range(0, 150, 50):
        after_commit.after_commit(store(*bad[start : start + 50], *good[start : start + 50], *bare[start : start + 50]))
    assert states() == {"flaky/bad": "stopped"}
    assert {statuses()[f"good-{n}"] for n in range(70)} == {("processed", 1)}
    assert {statuses()[f"bare-{n}"] for n in range(70)} == {("processed", 1)}
    store(*(value(f"later-{n}", f"u{n % 7}", type="bad") for n in range(50)))
    assert {statuses()[f"later-{n}"] for n in range(50)} == {("held", 0)}

    flaky.runs.update({f"bad-{n}": 9 for n in range(150)})  # the mended handler is deployed
    Kind.objects.update(next_probe_at="2000-01-01T00:00:00Z")
    for _ in range(10):
        tend_kinds()
        retry_all()
    assert states() == {}
    assert {status for status, _ in statuses().values()} == {"processed"}


def test_a_paused_kind_is_not_probed(stopped: None) -> None:
    column("UPDATE processing_kind SET state = 'paused', next_probe_at = '2000-01-01' RETURNING name")
    tend_kinds()
    assert states() == {"flaky/t": KindState.PAUSED}
    assert {attempts for _, attempts in statuses().values()} == {1}
