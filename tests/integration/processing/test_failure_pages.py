"""Why it failed, in the admin: groups, dead letters by group, an event's timeline, a poison by what it carries."""

from __future__ import annotations

from html import unescape
from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from processing.domain.lanes import PassableGaps
from processing.domain.messages import Message, Poison, read_message
from processing.engine import release
from processing.engine.process_batch import process_batch
from processing.models import DeadLetter, FailureGroup, InboxEvent
from processing.operators import actions
from tests.support import flaky
from tests.support.batches import value
from tests.support.dead import bury_bytes, consume, fail_for_good, row, try_again
from tests.support.factories import DeadLetterFactory, FailureGroupFactory, InboxEventFactory, UserRevenueFactory
from tests.support.operator_pages import change, changelist, client_of, listed, page
from tests.support.replays import replay

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("two_tries", "hints_off", "published"),
]
PRODUCT = b'{"eventId":"p-1","userId":"ann","eventType":"bought","price":"1.234","productId":"x","productName":"y",'


@pytest.fixture(autouse=True)
def fresh_runs() -> None:
    flaky.runs.clear()


def failing(id: str) -> bytes:
    return value(id, family="flaky", fails=99)


def poison(bytes_: bytes, topic: str = "events") -> str:
    read = read_message(Message(topic, 0, 7, None, bytes_))
    assert isinstance(read, Poison)
    process_batch([], [read])
    return read.id


# --- groups ---


def test_open_groups_come_first_and_lead_to_their_letters(operator: Client) -> None:
    fail_for_good(failing("a"), failing("b"))
    DeadLetterFactory.create(event__id="another")
    gone = FailureGroupFactory.create(open=0, resolved_at=timezone.now(), last_seen=timezone.now())
    group = FailureGroup.objects.get(kind="flaky")
    assert listed(operator, changelist("failuregroup"))[-1] == str(gone.pk)
    assert listed(operator, changelist("failuregroup", state="resolved")) == [str(gone.pk)]
    assert sorted(listed(operator, changelist("deadletter", group=str(group.pk)))) == ["a", "b"]
    html = unescape(page(operator, change("failuregroup", group.pk)))
    assert changelist("deadletter", group=str(group.pk)) in html
    assert "2 open" in html
    assert 'raise RuntimeError(f"{event.id} is not ready")' in html
    assert change("deadletter", "a") in html
    assert change("failuregroup", group.pk) in page(operator, change("deadletter", "a"))


def test_a_resolved_group_says_so(operator: Client) -> None:
    fail_for_good(failing("a"))
    actions.discard(ids=["a"], actor="ada")
    html = page(operator, change("failuregroup", FailureGroup.objects.get().pk))
    assert ">resolved<" in html
    assert "none is open" in html


@pytest.mark.parametrize("number", ["x", "-1", "9" * 30, "\0", "0"])
def test_a_group_that_cannot_be_has_no_letters(operator: Client, number: str) -> None:
    DeadLetterFactory.create()
    assert listed(operator, changelist("deadletter", group=number)) == []


# --- an event's page ---


def test_the_timeline_tells_all_in_order(operator: Client) -> None:
    fail_for_good(failing("a"))
    flaky.runs["a"] = 1_000
    replay(ids=["a"], actor="ada")
    try_again("a")
    assert row("a").status == "processed"
    html = page(operator, change("inboxevent", "a"))
    told = ["received", "attempt 1 failed", "attempt 2 failed", "replayed by ada", "processed, attempt 3"]
    assert sorted(told, key=html.index) == told
    assert f"replay {row('a').replay}</a></div>" in html
    assert "<summary>traceback" in html
    assert "tests.support.flaky:" in html


def test_the_gap_before_an_event_was_passed_before_it_ran(operator: Client) -> None:
    consume(value("c", seq=3))
    assert release.pass_gaps([PassableGaps("u", 1, 3)]) == 1
    told = ["received", "passed the gap before it, seq 1 to 2", ">processed<"]
    html = page(operator, change("inboxevent", "c"))
    assert sorted(told, key=html.rindex) == told


def test_the_timeline_says_what_it_waits_for(operator: Client) -> None:
    consume(value("a", seq=1), value("c", seq=3))
    assert "held for seq 2" in page(operator, change("inboxevent", "c"))
    consume(failing("f"))
    assert "retrying: the next attempt is due" in page(operator, change("inboxevent", "f"))


# --- a poison, by what it carries ---


def test_a_poison_is_found_by_the_id_user_and_type_that_it_carries(operator: Client) -> None:
    id = poison(PRODUCT + b'"timestamp":"2026-05-01T12:00:00Z"}', "product-events")
    cut = poison(PRODUCT.replace(b"p-1", b"p-2"), "product-events")
    letter = DeadLetter.objects.get(pk=id)
    assert (letter.carried_id, letter.user_id, letter.type) == ("p-1", "ann", "bought")
    for model in ("deadletter", "inboxevent"):
        assert listed(operator, changelist(model, q="p-1")) == [id]
        assert sorted(listed(operator, changelist(model, q=" p- "))) == sorted([id, cut])
        assert sorted(listed(operator, changelist(model, q="ann"))) == sorted([id, cut])
        assert sorted(listed(operator, changelist(model, q="bought"))) == sorted([id, cut])
        assert "p-1" in page(operator, change(model, id))
    assert sorted(listed(operator, changelist("deadletter", type="bought"))) == sorted([id, cut])


def test_a_poison_is_replayed_by_the_id_that_it_carries() -> None:
    bury_bytes(b"unreadable")
    id = bury_bytes(value("mended"))
    DeadLetter.objects.filter(pk=id).update(carried_id="mended")
    out = StringIO()
    call_command("replay_dead_letters", "--id", "mended", stdout=out)
    assert "replayed: 1" in out.getvalue()
    assert InboxEvent.objects.filter(pk="mended").exists()


# --- lists ---


def test_a_search_takes_type_and_error_and_is_trimmed(operator: Client) -> None:
    fail_for_good(failing("a"))
    DeadLetterFactory.create(event__id="b", event__error="KeyError: 'high'", event__type="cart")
    InboxEventFactory.create(id="ok", type="page")
    assert listed(operator, changelist("inboxevent", q=" page ")) == ["ok"]
    assert listed(operator, changelist("inboxevent", q="RuntimeError")) == ["a"]
    assert listed(operator, changelist("deadletter", q="'HIGH'")) == ["b"]
    assert listed(operator, changelist("deadletter", q="flaky.py")) == []
    assert listed(operator, changelist("deadletter", q="support.flaky")) == ["a"]


def test_discarded_ones_are_listed_only_when_asked_for_or_searched(operator: Client) -> None:
    DeadLetterFactory.create(event__id="open")
    DeadLetterFactory.create(event__id="gone", discarded_at=timezone.now())
    assert listed(operator, changelist("deadletter")) == ["open"]
    assert listed(operator, changelist("deadletter", state="discarded")) == ["gone"]
    assert listed(operator, changelist("deadletter", q="gone")) == ["gone"]


def test_a_list_shows_the_time_short_and_in_full_to_whoever_points_at_it(operator: Client) -> None:
    at = InboxEventFactory.create().received_at
    html = page(operator, changelist("inboxevent"))
    assert f'data-short="{at:%H:%M:%S}"' in html
    assert f'title="{at:%Y-%m-%d %H:%M:%S}' in html


# --- a user's page ---


def test_a_users_page_has_the_lane_events_dead_letters_and_revenue(operator: Client) -> None:
    consume(value("a", seq=1), value("c", seq=3))
    DeadLetterFactory.create(event__id="dead", event__user_id="u")
    UserRevenueFactory.create(user_id="u")
    html = unescape(page(operator, change("lane", "u")))
    assert 'title="seq 1: processed, a"' in html
    assert 'title="seq 2: missing"' in html
    assert 'title="seq 3: held, c"' in html
    assert change("deadletter", "dead") in html
    assert change("userrevenue", "u", "revenue") in html


def test_a_page_shows_rows_of_another_table_only_to_those_who_may_see_that_one() -> None:
    fail_for_good(failing("dead"))
    consume(value("a", seq=1))
    group = FailureGroup.objects.get().pk
    for may, shown in ((["view_lane", "view_failuregroup"], False), (["view_deadletter"], True)):
        clerk = client_of(f"clerk-{shown}", may=[*may, "view_lane", "view_failuregroup"])
        for url in (change("lane", "u"), change("failuregroup", group)):
            assert (change("deadletter", "dead") in page(clerk, url)) is shown


def test_a_user_without_a_lane_has_a_page_too(operator: Client) -> None:
    InboxEventFactory.create(user_id="ann")
    assert "no numbered event yet" in page(operator, change("lane", "ann"))
    assert operator.get(change("lane", "nobody")).status_code == 302


def test_staff_who_may_not_see_failures_do_not() -> None:
    group = FailureGroupFactory.create()
    clerk = client_of("cleo", may=["view_inboxevent"])
    assert clerk.get(changelist("failuregroup")).status_code == 403
    assert clerk.get(change("failuregroup", group.pk)).status_code == 403
    assert client_of("vic", may=["view_failuregroup"]).get(changelist("failuregroup")).status_code == 200
