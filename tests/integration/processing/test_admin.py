"""The operator's pages: what they show, and to whom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from processing.admin import show
from processing.admin.readonly import EndlessChangeList, start_of
from processing.domain.statuses import Status
from processing.models import InboxEvent
from tests.support.factories import (
    ApiKeyFactory,
    DeadLetterFactory,
    GameEventFactory,
    InboxEventFactory,
    LaneFactory,
    OperatorActionFactory,
)
from tests.support.operator_pages import ODD_IDS, change, changelist, listed, page

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]

MODELS = ["inboxevent", "lane", "deadletter", "operatoraction"]

# --- lists ---


def test_the_index_and_every_list_open_empty_and_filled(operator: Client) -> None:
    page(operator, reverse("admin:index"))
    for filled in range(2):
        for model in MODELS:
            page(operator, changelist(model))
        for model in ("gameevent", "apikey"):
            page(operator, changelist(model, "ingest"))
        InboxEventFactory.create(retrying=True)
        DeadLetterFactory.create()
        DeadLetterFactory.create(poison=True)
        LaneFactory.create(user_id=f"u-{filled}", waiting_since=timezone.now())
        OperatorActionFactory.create()
        GameEventFactory.create()
        ApiKeyFactory.create()


def test_an_event_is_found_by_the_beginning_of_its_id_or_its_users(operator: Client) -> None:
    InboxEventFactory.create(id="order-1", user_id="ann")
    InboxEventFactory.create(id="order-2", user_id="bob")
    InboxEventFactory.create(id="has space", user_id="%")
    assert listed(operator, changelist("inboxevent", q="order-1")) == ["order-1"]
    assert sorted(listed(operator, changelist("inboxevent", q="order"))) == ["order-1", "order-2"]
    assert listed(operator, changelist("inboxevent", q="bo")) == ["order-2"]
    assert listed(operator, changelist("inboxevent", q="has space")) == ["has space"]
    assert listed(operator, changelist("inboxevent", q="%")) == ["has space"]
    assert listed(operator, changelist("inboxevent", q="nobody")) == []


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"status": "held"}, {"held"}),
        ({"status": "failed"}, {"failed"}),
        ({"time": "1h"}, {"held", "failed", "game"}),
        ({"time": "7d"}, {"held", "failed", "game", "old"}),
        ({"type": "game.moved"}, {"game"}),
        ({"family": "game"}, {"game"}),
        ({"family": "none"}, {"held", "failed", "old"}),
        ({"type": "nothing"}, set()),
        ({"type": "\0"}, set()),
        ({"time": "garbage"}, {"held", "failed", "game", "old"}),
    ],
)
def test_events_are_filtered(operator: Client, parameters: dict[str, str], expected: set[str]) -> None:
    InboxEventFactory.create(id="held", held=True, seq=2)
    InboxEventFactory.create(id="failed", failed=True)
    InboxEventFactory.create(id="game", family="game", type="game.moved")
    InboxEventFactory.create(id="old", received_at=timezone.now() - timedelta(days=2))
    assert set(listed(operator, changelist("inboxevent", **parameters))) == expected


def test_the_page_of_an_event_leads_to_all_events_of_its_user_and_of_nobody_else(operator: Client) -> None:
    for user in ("ann", "annabel"):
        InboxEventFactory.create(id=f"of-{user}", user_id=user)
    assert changelist("inboxevent", user="ann") in page(operator, change("inboxevent", "of-ann"))
    assert listed(operator, changelist("inboxevent", user="ann")) == ["of-ann"]


def test_dead_letters_are_found_by_event_user_and_type_and_filtered_by_state(operator: Client) -> None:
    DeadLetterFactory.create(event__id="e-1", event__user_id="ann", event__type="a")
    DeadLetterFactory.create(event__id="e-2", event__user_id="bob", event__type="b", discarded_at=timezone.now())
    assert listed(operator, changelist("deadletter", q="e-1")) == ["e-1"]
    assert listed(operator, changelist("deadletter", q="bob")) == ["e-2"]
    assert listed(operator, changelist("deadletter", type="a")) == ["e-1"]
    assert listed(operator, changelist("deadletter", state="open")) == ["e-1"]
    assert listed(operator, changelist("deadletter", state="discarded")) == ["e-2"]
    assert listed(operator, changelist("deadletter", reason="poison")) == []


def test_a_list_goes_on_page_by_page_without_counting(operator: Client) -> None:
    start = timezone.now()
    for number in range(205):
        InboxEventFactory.create(id=f"e-{number:03}", received_at=start - timedelta(seconds=number))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        html = page(operator, changelist("inboxevent"))
    assert "50 on this page, and more" in html
    assert "?p=2" in html
    assert "?p=3" not in html
    assert not [query for query in queries if "COUNT(*)" in query["sql"] and "processing_inboxevent" in query["sql"]]
    assert listed(operator, changelist("inboxevent", p="5")) == [f"e-{number}" for number in range(200, 205)]
    assert "and more" not in page(operator, changelist("inboxevent", p="5"))


def test_a_list_ends_after_so_many_pages_and_says_what_leads_further(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EndlessChangeList, "most_pages", 2)
    InboxEventFactory.create_batch(120)
    assert "a list ends after" not in page(operator, changelist("inboxevent", p="1"))
    last = page(operator, changelist("inboxevent", p="2"))
    assert "a list ends after" in last
    assert "?p=3" not in last
    assert listed(operator, changelist("inboxevent", p="3")) == listed(operator, changelist("inboxevent", p="2"))
    assert len(listed(operator, changelist("inboxevent", p="-1"))) == 50


def test_a_page_whose_rows_have_gone_is_empty_and_leads_back(operator: Client) -> None:
    InboxEventFactory.create_batch(2)
    assert listed(operator, changelist("inboxevent", p="7")) == []
    assert "?p=1" in page(operator, changelist("inboxevent", p="7"))


def test_no_list_tells_or_offers_a_count(operator: Client) -> None:
    GameEventFactory.create_batch(101)
    ApiKeyFactory.create()
    for list_page in (changelist("inboxevent"), changelist("gameevent", "ingest"), changelist("apikey", "ingest")):
        html = page(operator, list_page)
        assert " results" not in html
        assert " result " not in html
        assert "_facets" not in html


def test_a_list_does_not_load_payloads(operator: Client) -> None:
    InboxEventFactory.create(held=True, seq=2)
    DeadLetterFactory.create()
    for model in ("inboxevent", "deadletter"):
        with CaptureQueriesContext(connection) as queries:
            page(operator, changelist(model))
        assert not [query for query in queries if '"payload"' in query["sql"] or '"raw"' in query["sql"]]


# --- objects ---


@pytest.mark.parametrize("id", ODD_IDS)
def test_an_event_with_any_id_has_a_page_that_the_list_links_to(operator: Client, id: str) -> None:
    DeadLetterFactory.create(event__id=id, event__user_id=id, event__seq=1)
    LaneFactory.create(user_id=id, next_seq=2)
    OperatorActionFactory.create(event_id=id)
    for model in ("inboxevent", "deadletter", "lane"):
        assert change(model, id) in unescape(page(operator, changelist(model)))
        html = page(operator, change(model, id))
        assert "<script>alert" not in html
    html = unescape(page(operator, change("inboxevent", id)))
    assert change("lane", id) in html
    assert change("deadletter", id) in html
    assert change("inboxevent", id) in unescape(page(operator, changelist("operatoraction")))


def test_what_a_sender_wrote_is_text_and_never_markup_or_a_link(operator: Client) -> None:
    evil = '{"url":"javascript:alert(1)","html":"<img src=x onerror=alert(1)>"}'
    DeadLetterFactory.create(
        event__id="e-1", event__type="<b>t</b>", event__payload=evil, event__error="<i>no</i>", event__user_id="<u>"
    )
    for url in (change("inboxevent", "e-1"), change("deadletter", "e-1"), changelist("inboxevent")):
        html = page(operator, url)
        assert not any(markup in html for markup in ("<img src=x", "<i>no", "<b>t", 'href="javascript:', "<u>"))


def test_a_payload_is_shown_one_member_a_line_and_bytes_as_text(operator: Client) -> None:
    InboxEventFactory.create(id="e-1", held=True, payload='{"a":{"b":"ü"}}', raw=b"\xff\x00 not text")
    html = unescape(page(operator, change("inboxevent", "e-1")))
    assert '{\n  "a": {\n    "b": "ü"\n  }\n}' in html
    assert "\\xff\x00 not text" in html


def test_large_values_are_cut_and_say_how_large_they_are() -> None:
    assert "100000 bytes in all" in show.raw_bytes(b"x" * 100_000)
    assert "characters in all" in show.json_text('"' + "x" * 100_000 + '"')
    assert len(show.json_text('"' + "x" * 100_000 + '"')) < 70_000


def test_a_processed_event_leads_to_the_row_of_its_family_and_back(operator: Client) -> None:
    InboxEventFactory.create(id="e-1", family="game")
    row = GameEventFactory.create(event_id="e-1", data={"piece": "rook"})
    assert change("gameevent", row.pk, "ingest") in page(operator, change("inboxevent", "e-1"))
    html = unescape(page(operator, change("gameevent", row.pk, "ingest")))
    assert change("inboxevent", "e-1") in html
    assert '"piece": "rook"' in html


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("gap", "seq 3, missing since"),
        ("retry", "the retry of event"),
        ("turn", "has its turn"),
        ("kind", "of which event"),
        ("nothing", ">nothing</div>"),
    ],
)
def test_a_lane_says_what_it_waits_for(operator: Client, state: str, expected: str) -> None:
    LaneFactory.create(next_seq=3, waiting_since=None if state == "nothing" else timezone.now())
    if state == "gap":
        InboxEventFactory.create(seq=5, held=True)
    elif state == "retry":
        InboxEventFactory.create(seq=3, retrying=True)
    elif state == "turn":
        InboxEventFactory.create(seq=3, held=True)
    elif state == "kind":
        InboxEventFactory.create(seq=3, held=True, waits_for="game/move", arrival=1)
    assert expected in page(operator, change("lane", "u-1"))


def test_nothing_can_be_added_changed_or_deleted(operator: Client) -> None:
    InboxEventFactory.create(id="e-1")
    assert operator.get(reverse("admin:processing_inboxevent_add")).status_code == 403
    assert operator.post(change("inboxevent", "e-1"), {"status": "failed"}).status_code == 403
    delete = reverse("admin:processing_inboxevent_delete", args=["e-1"])
    assert operator.post(delete, {"post": "yes"}).status_code == 403
    assert InboxEvent.objects.get().status == Status.PROCESSED


def test_a_period_begins_when_its_name_says() -> None:
    now = datetime(2026, 5, 17, 13, 14, 15, tzinfo=UTC)
    assert start_of("today", now) == datetime(2026, 5, 17, tzinfo=UTC)
    assert start_of("1h", now) == datetime(2026, 5, 17, 12, 14, 15, tzinfo=UTC)
    assert start_of("whenever", now) is None
    assert start_of(None, now) is None
