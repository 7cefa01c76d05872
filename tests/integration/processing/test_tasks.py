"""What Celery runs."""

from __future__ import annotations

import pytest

from processing.background import sweeper
from processing.tasks import sweep
from tests.support.batches import column


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("redis", "hints_off")
def test_a_sweep_that_fails_does_not_keep_the_others_from_their_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def rescue_retries() -> int:
        raise ValueError("a row that nobody thought of")

    monkeypatch.setattr(sweeper, "rescue_retries", rescue_retries)
    column(
        """INSERT INTO processing_hotstateoutbox (event_ids, created_at) VALUES ('{}', now() - interval '1 hour')
           RETURNING id"""
    )
    sweep()
    assert column("SELECT id FROM processing_hotstateoutbox") == []
