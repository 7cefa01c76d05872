"""The lists at size: what a page reads is bounded, whatever the tables hold."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from processing.models import FailureGroup
from tests.support.operator_pages import change, changelist
from tests.support.plans import plans_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]

EVENTS, LETTERS = 40_000, 20_000
MOST = 5_000  # rows that one step of a page may read

FILL = (
    """INSERT INTO processing_inboxevent (id, user_id, type, family, status, attempts, error, payload, received_at)
       SELECT 'e-' || lpad(n::text, 6, '0'), 'u-' || n %% 1000, 't-' || n %% 7, '',
              CASE WHEN n %% 2 = 0 THEN 'failed' ELSE 'processed' END, 1, 'KeyError: ' || n, '{}',
              now() - n * interval '1 s'
       FROM generate_series(1, %(events)s) n""",
    """INSERT INTO processing_failuregroup (reason, kind, error_class, place, open, total, last_seen)
       SELECT 'failed', 'k', 'KeyError', 'shop:' || n, %(letters)s / 2, %(letters)s / 2, now()
       FROM generate_series(0, 1) n""",
    """INSERT INTO processing_deadletter (event_id, reason, queued_at, group_id, user_id, type)
       SELECT i.id, 'failed', i.received_at, g.id, i.user_id, i.type
       FROM processing_inboxevent i JOIN processing_failuregroup g
            ON g.place = 'shop:' || right(i.id, 6)::int / 2 %% 2
       WHERE i.status = 'failed'""",
    """INSERT INTO processing_operatoraction (event_id, action, actor, detail)
       SELECT 'e-' || lpad(n::text, 6, '0'), 'discard', 'ada', '' FROM generate_series(1, %(events)s) n""",
    "ANALYZE processing_operatoraction, processing_inboxevent, processing_deadletter, processing_failuregroup",
)

# of a user with many events, as of all others, some are held
WAITING = """
INSERT INTO processing_inboxevent (id, user_id, type, family, seq, status, attempts, payload, received_at)
SELECT 'w-' || n, CASE WHEN n %% 10 = 0 THEN 'hot' ELSE 'u-' || n %% 1000 END, 't-' || n %% 7, '',
       CASE WHEN n %% 4 = 0 THEN n END, CASE WHEN n %% 4 = 0 THEN 'held' ELSE 'processed' END, 0, '{}',
       now() - n * interval '1 s'
FROM generate_series(1, %(events)s) n
"""

# one hour in which one class was raised in many places
TRACEBACKS = (
    """INSERT INTO processing_traceback (error_class, place, hour, text)
       SELECT 'KeyError', 'shop:' || n, date_trunc('hour', now()), '' FROM generate_series(0, %(events)s) n""",
    """INSERT INTO processing_failedattempt (event_id, attempt, at, process, error_class, place, message)
       VALUES ('e-000002', 1, now(), 'worker', 'KeyError', 'shop:1', 'high')""",
    "ANALYZE processing_traceback",
)


@pytest.fixture
def filled() -> Iterator[None]:
    with connection.cursor() as cursor:
        for statement in FILL:
            cursor.execute(statement, {"events": EVENTS, "letters": LETTERS})
    yield


def read_at_most(client: Client, url: str) -> int:
    plans = plans_of(lambda: client.get(url))
    return max(node.rows + node.removed for plan in plans for node in plan)


@pytest.mark.usefixtures("filled")
def test_no_page_reads_the_tables(operator: Client) -> None:
    group = str(FailureGroup.objects.order_by("pk").values_list("pk", flat=True)[0])
    pages = [
        changelist("inboxevent"),
        changelist("inboxevent", p="3"),
        changelist("inboxevent", p="100000"),
        changelist("inboxevent", status="failed"),
        changelist("inboxevent", type="nothing"),
        *(changelist("inboxevent", q=term) for term in ("e-", "u-1", "t-3", "KeyError", "nothing")),
        changelist("deadletter"),
        changelist("deadletter", group=group),
        changelist("deadletter", reason="poison"),
        changelist("deadletter", type="nothing"),
        changelist("deadletter", state="discarded"),
        *(changelist("operatoraction", q=term) for term in ("e-", "e-0123", "nothing")),
        *(changelist("deadletter", q=term) for term in ("e-", "u-1", "t-2", "KeyError", "nothing")),
    ]
    read = {url: read_at_most(operator, url) for url in pages}
    assert {url: rows for url, rows in read.items() if rows > MOST} == {}


@pytest.mark.usefixtures("filled")
def test_a_users_page_reads_nothing_of_what_waits_for_others(operator: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute(WAITING, {"events": EVENTS})
        cursor.execute("ANALYZE processing_inboxevent")
    with CaptureQueriesContext(connection) as asked:
        assert read_at_most(operator, change("lane", "hot")) <= MOST
    reads = [query["sql"] for query in asked if query["sql"].startswith("SELECT")]
    assert sorted(set(reads)) == sorted(reads)  # unfold asks for each field more than once


@pytest.mark.usefixtures("filled")
def test_an_events_page_reads_the_tracebacks_of_its_own_failures(operator: Client) -> None:
    with connection.cursor() as cursor:
        for statement in TRACEBACKS:
            cursor.execute(statement, {"events": EVENTS})
    assert read_at_most(operator, change("inboxevent", "e-000002")) <= MOST
