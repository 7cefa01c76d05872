from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.utils import timezone
from pytest_django import Settings
from redis import Redis

from processing.engine import enqueue
from processing.engine.after_commit import _window
from processing.models import DeadLetter


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No worker runs here: the tasks that would be sent to Celery are noted."""
    sent: list[str] = []

    def send(task: str, *_: object) -> bool:
        sent.append(task)
        return True

    monkeypatch.setattr(enqueue, "_send", send)
    return sent


@pytest.fixture
def hints_off(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No worker runs here: retries are made due and swept by the test itself. The breaker counts afresh."""
    monkeypatch.setattr(enqueue, "enqueue_retries", lambda retries: None)
    _window.forget()
    yield
    _window.forget()


@pytest.fixture
def two_tries(settings: Settings, redis: Redis) -> None:
    """`fail` in a payload is obeyed, and an event is tried twice."""
    settings.FAULT_INJECTION = True
    settings.RETRY_MAX_RETRIES = 1
    settings.RETRY_BACKOFF_MS = 0


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every dead letter has its copy on the topic at once."""
    monkeypatch.setattr(
        "processing.kafka.dead_letter_topic.publish",
        lambda ids: DeadLetter.objects.filter(published_at=None).update(published_at=timezone.now()),
    )
