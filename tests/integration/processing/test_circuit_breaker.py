"""The breaker: what opens it, what it tries, what closes it."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django.fixtures import Settings
from redis import Redis

from processing.domain.failure_window import FailureWindow
from processing.engine import after_commit, circuit_breaker, probe
from processing.models import CircuitBreaker
from processing.operators.health import degraded
from tests.support import flaky
from tests.support.batches import column, retry_all, statuses, store, value


@pytest.fixture
def opened(redis: Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three events that fail for good, and a breaker that has opened over them."""
    flaky.runs.clear()
    settings.RETRY_BACKOFF_MS = 0
    monkeypatch.setattr(after_commit, "_window", FailureWindow(limit_in_a_row=3, limit_percent=0, size=10))
    settled = store(*(value(f"e{n}", f"u{n}", seq=1, fails=2) for n in range(1, 4)))
    circuit_breaker.observe(after_commit._window, settled.outcomes)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("hints_off", "opened")
class TestOpen:
    def test_it_says_why(self) -> None:
        (line,) = degraded()
        assert "3 handler runs failed in a row" in line

    def test_it_holds_nothing_of_an_event(self) -> None:
        """The last error's class tells enough: health answers and alerts go to places where no payload belongs."""
        assert degraded()[0].endswith("; the last: RuntimeError")

    def test_the_web_server_is_ready_all_the_same(self, client: Client) -> None:
        answer = client.get("/health/ready")
        assert (answer.status_code, answer.json()["degraded"]) == (200, degraded())

    def test_retries_wait(self) -> None:
        assert retry_all() == 0
        assert {attempts for _, attempts in statuses().values()} == {1}

    def test_it_tries_one_event_at_a_time_each_time_another(self) -> None:
        for _ in range(3):
            probe.probe()
        assert statuses() == {f"e{n}": ("retrying", 2) for n in (1, 2, 3)}
        assert CircuitBreaker.objects.exists()

    def test_a_success_closes_it(self) -> None:
        for _ in range(4):
            probe.probe()
        assert sorted(statuses().values()) == [("processed", 3), ("retrying", 2), ("retrying", 2)]
        assert degraded() == []

    def test_nothing_that_waits_closes_it(self) -> None:
        column("UPDATE processing_inboxevent SET status = 'processed' RETURNING id")
        assert probe.probe() is None
        assert degraded() == []

    def test_drills_are_not_tried(self, settings: Settings) -> None:
        settings.FAULT_INJECTION = True
        column("UPDATE processing_inboxevent SET payload = '{\"fail\": true}' RETURNING id")
        assert probe.probe() is None
        assert degraded() == []

    def test_a_try_waits_for_its_time(self) -> None:
        CircuitBreaker.objects.update(next_probe_at="2999-01-01T00:00:00Z")
        assert probe.probe() is None
        assert {attempts for _, attempts in statuses().values()} == {1}
