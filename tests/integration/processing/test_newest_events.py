"""The newest events that match are read along one index, also where the planner believes that another would do."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import Client

from processing.postgres.newest_events import LOOKED_AT, Wanted, is_bounded, newest_events
from tests.support.operator_pages import changelist, listed, page
from tests.support.plans import plans_of_statements

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]

EVENTS = 4 * LOOKED_AT  # the newest is e-1; the older half of them are of `gone`, who has sent nothing since
FILL = """
    INSERT INTO processing_inboxevent (id, user_id, type, family, status, attempts, received_at, waits_for, arrival)
    SELECT 'e-' || n, CASE WHEN n > %(events)s / 2 THEN 'gone' ELSE 'u-' || n %% 50 END, 't-' || n %% 7,
           CASE WHEN n %% 2 = 0 THEN 'game' ELSE '' END, CASE WHEN n %% 100 = 0 THEN 'held' ELSE 'processed' END, 1,
           now() - n * interval '1 s', CASE WHEN n %% 100 = 0 THEN 'game' END,
           CASE WHEN n %% 100 = 0 THEN %(events)s - n END
    FROM generate_series(1, %(events)s) n
"""


@pytest.fixture(autouse=True)
def filled() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(FILL, {"events": EVENTS})
        cursor.execute("ANALYZE processing_inboxevent")
    yield


@pytest.mark.parametrize(
    ("wanted", "index", "first"),
    [
        (Wanted(), "inbox_received", "e-1"),
        (Wanted(user_id="gone"), "inbox_user_newest", f"e-{EVENTS // 2 + 1}"),
        (Wanted(user_id="gone", type="t-1"), "inbox_user_newest", "e-10004"),
        (Wanted(type="t-1"), "inbox_type_newest", "e-1"),
        (Wanted(status="held"), "inbox_unhappy", "e-100"),
        (Wanted(status="held", family="game"), "inbox_family_unhappy", "e-100"),
        (Wanted(status="held", family=""), "inbox_family_unhappy", None),
        (Wanted(waits_for="game"), "inbox_set_aside", "e-100"),
        (Wanted(status="processed"), "inbox_received", "e-1"),
        (Wanted(status="processed", user_id="gone"), "inbox_user_newest", f"e-{EVENTS // 2 + 1}"),
        (Wanted(family="none such"), "inbox_received", None),
    ],
)
def test_each_question_has_its_index(wanted: Wanted, index: str, first: str | None) -> None:
    with plans_of_statements() as plans:
        found = newest_events(wanted, 10)
    (plan,) = plans
    assert re.findall(r"using (\w+)", plan) == [index], plan
    assert (found[0].id if found else None) == first


def test_what_no_index_has_is_sought_among_the_newest_alone() -> None:
    for wanted in (Wanted(user_id="gone"), Wanted(status="held", family="game"), Wanted()):
        assert not is_bounded(wanted)
    wanted = Wanted(status="processed", family="game")
    assert is_bounded(wanted)
    assert len(newest_events(wanted, EVENTS)) == LOOKED_AT * 49 // 100
    assert len(newest_events(Wanted(user_id="gone"), EVENTS)) == EVENTS // 2


def test_a_list_goes_on_and_says_what_it_looked_at(operator: Client) -> None:
    of_user = changelist("inboxevent", user="gone", p="2")
    assert listed(operator, of_user)[0] == f"e-{EVENTS // 2 + 51}"
    assert "look at the newest" not in page(operator, of_user)
    together = changelist("inboxevent", user="gone", status="held")
    assert listed(operator, together)[0] == f"e-{EVENTS // 2 + 100}"
    assert f"look at the newest {LOOKED_AT} of one of them" in page(operator, together)
    exported = b"".join(operator.get(together.replace("/?", "/export/csv?")))
    assert exported.count(b"\n") == EVENTS // 200 + 1
