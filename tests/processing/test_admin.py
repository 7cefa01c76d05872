"""The operator's pages: what they show, what they offer, and to whom."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from processing.admin import show
from processing.admin.acting import REPLAY, sentences
from processing.admin.readonly import start_of
from processing.faults import DatabaseUnfitError
from processing.models import DeadLetter, InboxEvent, OperatorAction
from processing.operator_work import Result
from processing.statuses import Status
from tests.factories import (
    ApiKeyFactory,
    DeadLetterFactory,
    GameEventFactory,
    InboxEventFactory,
    LaneFactory,
    OperatorActionFactory,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]

MODELS = ["inboxevent", "lane", "deadletter", "operatoraction"]
ODD_IDS = [
    "a/b",
    "a//change/",
    "line\nbreak",
    "quo\"te's",
    "<script>alert(1)</script>",
    "list",
    "_2F",
    "ü€😀",
    " padded ",
    "100%",
    "a?b=c&d#e",
    "back\\slash",
]


@pytest.fixture
def operator() -> Client:
    return client_of("ada", superuser=True)


def client_of(name: str, *, superuser: bool = False, may: Collection[str] = ()) -> Client:
    """A browser in which somebody of the staff, with these permissions, is logged in."""
    user = User.objects.create_user(name, is_staff=True, is_superuser=superuser)
    user.user_permissions.set(Permission.objects.filter(codename__in=may))
    client = Client()
    client.force_login(user)
    return client


def changelist(model: str, app: str = "processing", **parameters: str) -> str:
    return reverse(f"admin:{app}_{model}_changelist", query=parameters)


def change(model: str, pk: object, app: str = "processing") -> str:
    return reverse(f"admin:{app}_{model}_change", args=[quote(str(pk))])


def page(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200, url
    return str(response.content.decode())


def listed(client: Client, url: str) -> list[str]:
    """The keys of the rows that a list shows."""
    response = client.get(url)
    assert response.status_code == 200, response
    return [str(row.pk) for row in response.context["cl"].result_list]


def said(response: Any) -> list[str]:
    return [unescape(str(message)) for message in response.context["messages"]]


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
    assert "100 on this page, and more" in html
    assert "?p=2" in html
    assert "?p=3" not in html
    assert not [query for query in queries if "COUNT(*)" in query["sql"] and "inbox" in query["sql"]]
    assert listed(operator, changelist("inboxevent", p="3")) == [f"e-{number}" for number in range(200, 205)]
    assert "and more" not in page(operator, changelist("inboxevent", p="3"))


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
        ("nothing", '<div class="readonly">nothing</div>'),
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
    assert expected in page(operator, change("lane", "u-1"))


def test_nothing_can_be_added_changed_or_deleted(operator: Client) -> None:
    InboxEventFactory.create(id="e-1")
    assert operator.get(reverse("admin:processing_inboxevent_add")).status_code == 403
    assert operator.post(change("inboxevent", "e-1"), {"status": "failed"}).status_code == 403
    delete = reverse("admin:processing_inboxevent_delete", args=["e-1"])
    assert operator.post(delete, {"post": "yes"}).status_code == 403
    assert InboxEvent.objects.get().status == Status.PROCESSED


# --- actions ---


def run(client: Client, model: str, action: str, *ids: str, app: str = "processing", everything: bool = False) -> Any:
    data = {"action": action, "_selected_action": list(ids), "select_across": "1" if everything else "0"}
    return client.post(changelist(model, app), data, follow=True)


def test_an_action_on_a_list_says_what_it_did_and_what_it_did_not_and_why(operator: Client) -> None:
    DeadLetterFactory.create(event__id="dead-1")
    DeadLetterFactory.create(event__id="dead-2")
    InboxEventFactory.create(id="fine")
    response = run(operator, "inboxevent", "replay", "dead-1", "dead-2", "fine")
    assert said(response) == [
        "Replayed: 2 events. dead-1, dead-2: to be tried again",
        "Left as they were: 1 event. fine: is no dead letter: it is processed",
    ]
    assert set(OperatorAction.objects.values_list("actor", flat=True)) == {"ada"}


def test_all_that_match_can_be_selected_across_pages(operator: Client) -> None:
    for _ in range(120):
        DeadLetterFactory.create()
    first = DeadLetter.objects.first()
    assert first is not None
    assert "Select all that match" in page(operator, changelist("deadletter"))
    response = run(operator, "deadletter", "discard", first.pk, everything=True)
    assert said(response)[0].startswith("Discarded: 120 events.")


def test_one_click_is_bounded(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processing.admin.acting.AT_ONCE", 2)
    ids = [DeadLetterFactory.create().pk for _ in range(3)]
    response = run(operator, "deadletter", "discard", *ids)
    assert "More than 2 were selected" in said(response)[1]
    assert DeadLetter.objects.filter(discarded_at=None).count() == 1


@pytest.mark.parametrize(
    ("make", "offered"),
    [
        (lambda: InboxEventFactory.create(id="e-1", retrying=True), ["Retry now"]),
        (lambda: DeadLetterFactory.create(event__id="e-1"), ["Replay", "Discard"]),
        (lambda: DeadLetterFactory.create(event__id="e-1", discarded_at=timezone.now()), []),
        (lambda: InboxEventFactory.create(id="e-1"), []),
        (lambda: InboxEventFactory.create(id="e-1", held=True, seq=2), []),
        (lambda: InboxEventFactory.create(id="e-1", skipped=True), []),
    ],
)
def test_an_object_offers_only_what_is_legal(operator: Client, make: Callable[[], object], offered: list[str]) -> None:
    make()
    response = operator.get(change("inboxevent", "e-1"))
    assert [button["label"] for button in response.context["buttons"]] == offered


@pytest.mark.parametrize(
    ("model", "parameters", "offered"),
    [
        ("inboxevent", {}, {"retry_now", "replay", "discard"}),
        ("inboxevent", {"status": "retrying"}, {"retry_now"}),
        ("inboxevent", {"status": "failed"}, {"replay", "discard"}),
        ("inboxevent", {"status": "processed"}, set()),
        ("deadletter", {}, {"replay", "discard"}),
        ("deadletter", {"state": "discarded"}, set()),
    ],
)
def test_a_list_offers_only_what_is_legal(
    operator: Client, model: str, parameters: dict[str, str], offered: set[str]
) -> None:
    DeadLetterFactory.create(event__id="e-1")
    DeadLetterFactory.create(event__id="e-2", discarded_at=timezone.now())
    InboxEventFactory.create(retrying=True)
    InboxEventFactory.create()
    form = operator.get(changelist(model, **parameters)).context["action_form"]
    actions = {name for name, _ in form.fields["action"].choices if name} if form else set()
    assert actions == offered


@pytest.mark.parametrize("id", ODD_IDS)
def test_a_button_acts_on_the_event_of_its_page_whatever_its_id(operator: Client, id: str) -> None:
    DeadLetterFactory.create(event__id=id)
    (button, _) = operator.get(change("inboxevent", id)).context["buttons"]
    response = operator.post(button["url"], follow=True)
    assert response.redirect_chain == [(change("inboxevent", id), 302)]
    assert said(response)[0].startswith("Replayed: 1 event.")
    assert InboxEvent.objects.get().status == Status.RETRYING


def test_what_is_gone_with_its_replay_leads_back_to_the_list(operator: Client) -> None:
    DeadLetterFactory.create(event__id="e-1")
    (button, _) = operator.get(change("deadletter", "e-1")).context["buttons"]
    response = operator.post(button["url"], follow=True)
    assert response.redirect_chain == [(changelist("deadletter"), 302)]


def test_a_button_pressed_too_late_is_refused_with_the_reason(operator: Client) -> None:
    DeadLetterFactory.create(event__id="e-1")
    (replay, discard) = operator.get(change("inboxevent", "e-1")).context["buttons"]
    operator.post(replay["url"])
    assert said(operator.post(discard["url"], follow=True))[-1] == (
        "Left as they were: 1 event. e-1: is no dead letter: it is retrying"
    )


def test_staff_who_may_only_look_are_offered_no_action_and_cannot_force_one() -> None:
    DeadLetterFactory.create(event__id="e-1")
    viewer = client_of("vic", may=["view_inboxevent", "view_deadletter"])
    for model in ("inboxevent", "deadletter"):
        assert (
            "action_form" not in viewer.get(changelist(model)).context
            or not (viewer.get(changelist(model)).context["action_form"])
        )
        assert viewer.get(change(model, "e-1")).context["buttons"] == []
        run(viewer, model, "discard", "e-1")
        url = reverse(f"admin:processing_{model}_act", args=["e-1", "discard"])
        assert viewer.post(url).status_code == 403
    assert DeadLetter.objects.get().discarded_at is None


def test_staff_who_may_change_events_may_act_on_them() -> None:
    DeadLetterFactory.create(event__id="e-1")
    clerk = client_of("cleo", may=["change_inboxevent"])
    run(clerk, "inboxevent", "discard", "e-1")
    assert DeadLetter.objects.get().discarded_at is not None
    assert clerk.get(changelist("deadletter")).status_code == 403


def test_while_postgres_is_not_fit_the_operator_is_told_to_try_again(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(_: object) -> None:
        raise DatabaseUnfitError("the database is full")

    DeadLetterFactory.create(event__id="e-1")
    monkeypatch.setattr("processing.operator_work.PATIENCE_S", 0.05)
    monkeypatch.setattr("processing.operations.transaction", lambda: never(None))
    response = run(operator, "inboxevent", "discard", "e-1")
    assert said(response) == ["Postgres is not fit, see /health/ready: not all was done. Look, and try again."]


def test_an_action_needs_a_post_and_a_known_name(operator: Client) -> None:
    DeadLetterFactory.create(event__id="e-1")
    assert operator.get(reverse("admin:processing_inboxevent_act", args=["e-1", "discard"])).status_code == 405
    assert operator.post(reverse("admin:processing_inboxevent_act", args=["e-1", "erase"])).status_code == 404


def test_api_keys_are_revoked_once_and_made_by_the_command_only(operator: Client) -> None:
    key = ApiKeyFactory.create(name="partner")
    assert operator.get(reverse("admin:ingest_apikey_add")).status_code == 403
    assert said(run(operator, "apikey", "revoke", str(key.pk), app="ingest"))[0].startswith("Revoked: 1.")
    key.refresh_from_db()
    revoked_at = key.revoked_at
    assert revoked_at is not None
    assert said(run(operator, "apikey", "revoke", str(key.pk), app="ingest"))[0].startswith("Revoked: 0.")
    key.refresh_from_db()
    assert key.revoked_at == revoked_at
    assert key.sha256 not in page(operator, change("apikey", key.pk, "ingest"))


# --- decisions ---


def test_many_outcomes_are_told_by_reason_with_the_first_ids() -> None:
    done = {f"e-{n}": "to be tried again" for n in range(5)}
    refused = {f"x-{n}": f"reason {n}" for n in range(5)}
    assert [text for _, text in sentences(REPLAY, Result(done, refused))] == [
        "Replayed: 5 events. e-0, e-1, e-2 and 2 more: to be tried again",
        "Left as they were: 5 events. x-0: reason 0; x-1: reason 1; x-2: reason 2; and 2 other outcomes",
    ]
    assert list(sentences(REPLAY, Result())) == []


def test_a_period_begins_when_its_name_says() -> None:
    now = datetime(2026, 5, 17, 13, 14, 15, tzinfo=UTC)
    assert start_of("today", now) == datetime(2026, 5, 17, tzinfo=UTC)
    assert start_of("1h", now) == datetime(2026, 5, 17, 12, 14, 15, tzinfo=UTC)
    assert start_of("whenever", now) is None
    assert start_of(None, now) is None
