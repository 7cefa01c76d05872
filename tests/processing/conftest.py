from __future__ import annotations

from collections.abc import Iterator

import pytest

from processing import hints, waking


@pytest.fixture
def hints_off(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No worker runs here: retries are made due and swept by the test itself. The breaker counts afresh."""
    monkeypatch.setattr(hints, "send", lambda retries: None)
    waking._window.forget()
    yield
    waking._window.forget()
