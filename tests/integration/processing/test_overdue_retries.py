"""Which retries a sweep rescues, where a great many events of one user were replayed together."""

from __future__ import annotations

import pytest
from django.db import connection

from processing.postgres.due import overdue_retries
from tests.support.plans import plans_of_statements

pytestmark = [pytest.mark.django_db(transaction=True)]

CHAIN, LIMIT = 3_000, 20
RETRYING = """
INSERT INTO processing_inboxevent (id, user_id, type, family, status, attempts, replay, replay_order, next_attempt_at)
"""
REPLAYED = f"""{RETRYING}
SELECT 'chain-' || n, 'one', 't', '', 'retrying', 1, 1, n, now() - interval '1 hour' + n * interval '1 ms'
FROM generate_series(1, {CHAIN}) n"""
OTHER = f"{RETRYING} VALUES (%s, %s, 't', '', 'retrying', 1, NULL, NULL, now() - %s * interval '1 minute')"


def test_what_was_replayed_behind_one_event_hides_nobody_and_is_not_read_whole() -> None:
    with connection.cursor() as cursor:
        cursor.execute(REPLAYED)
        cursor.executemany(OTHER, [("before", "two", 90), ("after", "three", 1)])
        cursor.execute("ANALYZE processing_inboxevent")
    with plans_of_statements() as plans:
        assert overdue_retries(2, LIMIT) == ["before", "chain-1", "after"]
    (plan,) = plans
    assert plan.count("using inbox_retrying") == 2, plan
    assert "Seq Scan" not in plan, plan
