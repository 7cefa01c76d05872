"""What waits for a kind is not read by the statements of others, also while the statistics know nothing of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.db import connection
from redis import Redis

from processing.background import sweeper
from processing.engine import set_aside
from processing.operators import actions
from processing.operators.set_lane import foresee, set_lane
from processing.postgres.counts import count_gaps
from processing.postgres.gaps import DecidedPart, find_passable
from tests.support.batches import column, retry_all, store, value
from tests.support.kinds import TYPE, pause, resume
from tests.support.plans import plans_of_statements

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis", "hints_off", "waiting")]

ROWS = """
INSERT INTO processing_inboxevent (id, user_id, type, family, seq, status, attempts, payload, occurred_at, waits_for,
                                   arrival, topic, partition, "offset", raw)
SELECT {id} || n, 'w' || n %% 200, 't', 'flaky', (n - 1) / 200 + 1, {status}, 0, '{{}}', now(), {waits}, n, 'events', 0,
       n, '{{}}'
FROM generate_series(1, 4000) AS n RETURNING 1
"""
READ_BY_STATUS = ("inbox_unhappy", "inbox_family_unhappy")


@pytest.fixture
def waiting(redis: Redis) -> Iterator[None]:
    """Statistics of a table in which nothing waits; then much does, in 200 lanes."""
    column(ROWS.format(id="'done-'", status="'processed'", waits="NULL"))
    column("UPDATE processing_inboxevent SET user_id = 'done', seq = NULL RETURNING 1")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE processing_inboxevent")
    pause()
    column(ROWS.format(id="''", status="'held'", waits=f"'{TYPE}'"))
    column(
        """INSERT INTO processing_lane (user_id, waiting_since, waits_for)
           SELECT 'w' || n, now() - interval '1 minute', CASE WHEN n < 20 THEN 'gap' ELSE 'kind' END
           FROM generate_series(0, 199) AS n RETURNING 1"""
    )
    column("DELETE FROM processing_inboxevent WHERE seq = 1 AND user_id < 'w2' AND waits_for IS NOT NULL RETURNING 1")
    yield
    column("DELETE FROM processing_kind RETURNING name")


def batch() -> None:
    numbered = [value(f"new-{n}", f"w{n}", type="x", seq=seq) for n, seq in enumerate([1, 2_000, *[21] * 100])]
    store(*numbered, value("retried", "v", type="x", seq=1, fails=1), value("held", "v", type="x", seq=2))


def retries() -> None:
    batch()
    retry_all()
    actions.retry_now(ids=["retried", "1"], actor="ada")
    sweeper.rescue_lanes()


def drained() -> None:
    resume()
    set_aside.drain(TYPE, 50)


def gaps() -> None:
    find_passable([DecidedPart("events", 0, 1, 10_000)], 0)
    count_gaps()
    sweeper.pass_orphaned_gaps()


def lane_set() -> None:
    foresee("w50", 10, replay=False)
    set_lane("w50", 10, replay=False, actor="ada")
    set_lane("w50", 5, replay=True, actor="ada")


@pytest.mark.parametrize("work", [batch, retries, drained, gaps, lane_set])
def test_no_statement_reads_all_that_waits(work: Callable[[], None]) -> None:
    with plans_of_statements() as plans:
        work()
    by_status = [plan for plan in plans if any(index in plan for index in READ_BY_STATUS)]
    assert [plan for plan in by_status if "held" in plan] == [], "retrying events are few"
