"""What the operator's pages let one do, to whom they offer it, and how they tell what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from processing.admin.acting import RETRY_NOW, sentences
from processing.domain.statuses import Status
from processing.models import DeadLetter, InboxEvent, Kind, OperatorAction, ReplayRun
from processing.operators.chunks import Result
from processing.postgres.errors import TransientError
from tests.support.factories import ApiKeyFactory, DeadLetterFactory, InboxEventFactory
from tests.support.operator_pages import ODD_IDS, change, changelist, client_of, page, said
from tests.support.replays import finish, replay

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]


def run(client: Client, model: str, action: str, *ids: str, app: str = "processing", everything: bool = False) -> Any:
    data = {"action": action, "_selected_action": list(ids), "select_across": "1" if everything else "0"}
    return client.post(changelist(model, app), data, follow=True)


def answer(client: Client, asked: Any, **answers: str) -> Any:
    """The button of a page that asks before."""
    question = asked.context["question"]
    return client.post(question.url, {**question.hidden, **answers}, follow=True)


def test_an_action_on_a_list_says_what_it_did_and_what_it_did_not_and_why(operator: Client) -> None:
    DeadLetterFactory.create(event__id="dead-1")
    DeadLetterFactory.create(event__id="dead-2")
    InboxEventFactory.create(id="fine")
    asked = run(operator, "inboxevent", "discard", "dead-1", "dead-2", "fine")
    assert not DeadLetter.objects.exclude(discarded_at=None).exists()
    assert "That can be undone" in asked.content.decode()
    assert "A reason is needed" in answer(operator, asked).content.decode()
    assert said(answer(operator, asked, why="a test")) == [
        "Discarded: 2 events. dead-1, dead-2: discarded",
        "Left as they were: 1 event. fine: is no dead letter: it is processed",
    ]
    assert set(OperatorAction.objects.values_list("detail", flat=True)) == {"a test"}
    assert set(OperatorAction.objects.values_list("actor", flat=True)) == {"ada"}


def test_all_that_match_can_be_selected_across_pages(operator: Client) -> None:
    for _ in range(120):
        DeadLetterFactory.create()
    first = DeadLetter.objects.first()
    assert first is not None
    assert "Select all that match" in page(operator, changelist("deadletter"))
    response = run(operator, "deadletter", "discard", first.pk, everything=True)
    assert said(answer(operator, response, why="a test"))[0].startswith("Discarded: 120 events.")


def test_one_click_is_bounded(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processing.admin.confirming.AT_ONCE", 2)
    ids = [DeadLetterFactory.create().pk for _ in range(3)]
    response = run(operator, "deadletter", "discard", *ids)
    assert "More than 2 were selected" in said(response)[0]
    answer(operator, response, why="a test")
    assert DeadLetter.objects.filter(discarded_at=None).count() == 1


@pytest.mark.parametrize(
    ("make", "offered"),
    [
        (lambda: InboxEventFactory.create(id="e-1", retrying=True), ["Retry now"]),
        (lambda: DeadLetterFactory.create(event__id="e-1"), ["Replay", "Edit and replay", "Discard"]),
        (lambda: DeadLetterFactory.create(event__id="e-1", discarded_at=timezone.now()), ["Undo discard"]),
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
        ("deadletter", {"state": "discarded"}, {"undo_discard"}),
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
    (replay, _, discard) = operator.get(change("inboxevent", id)).context["buttons"]
    response = answer(operator, operator.get(discard["url"]), why="a test")
    assert response.redirect_chain == [(change("inboxevent", id), 302)]
    assert said(response)[0].startswith("Discarded: 1 event.")
    (undo,) = operator.get(change("inboxevent", id)).context["buttons"]
    assert said(answer(operator, operator.get(undo["url"])))[0].startswith("Open again: 1 event.")
    answer(operator, operator.get(replay["url"]))
    finish(ReplayRun.objects.get().pk)
    assert InboxEvent.objects.get().status == Status.RETRYING


def test_what_is_gone_with_its_replay_leads_back_to_the_list(operator: Client) -> None:
    DeadLetterFactory.create(event__id="e-1")
    (_, _, discard) = operator.get(change("deadletter", "e-1")).context["buttons"]
    replay(ids=["e-1"], actor="bob")
    response = answer(operator, operator.get(discard["url"]), why="a test")
    assert response.redirect_chain == [(changelist("deadletter"), 302)]


def test_a_button_pressed_too_late_is_refused_with_the_reason(operator: Client) -> None:
    DeadLetterFactory.create(event__id="e-1")
    (_, _, discard) = operator.get(change("inboxevent", "e-1")).context["buttons"]
    replay(ids=["e-1"], actor="bob")
    assert said(operator.post(discard["url"], {"why": "a test"}, follow=True))[-1] == (
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
        forged = {"action": "discard", "_selected_action": ["e-1"]}
        assert viewer.post(changelist(model), forged).status_code == 403
        url = reverse(f"admin:processing_{model}_act", args=["e-1", "discard"])
        assert viewer.post(url).status_code == 403
    assert DeadLetter.objects.get().discarded_at is None


def test_staff_who_may_discard_may_do_so_where_they_see_events() -> None:
    DeadLetterFactory.create(event__id="e-1")
    clerk = client_of("cleo", may=["view_inboxevent", "discard_deadletter"])
    answer(clerk, run(clerk, "inboxevent", "discard", "e-1"), why="a test")
    assert DeadLetter.objects.get().discarded_at is not None
    assert clerk.get(changelist("deadletter")).status_code == 403


@pytest.mark.parametrize("model", ["loss", "kind", "effect"])
def test_who_may_change_something_else_may_not_act_on_events_by_its_address(model: str) -> None:
    DeadLetterFactory.create(event__id="e-1")
    clerk = client_of("cleo", may=[f"change_{model}"])
    for name in ("discard", "replay", "pause_type"):
        assert clerk.post(reverse(f"admin:processing_{model}_act", args=["e-1", name])).status_code == 404
    assert DeadLetter.objects.get().discarded_at is None
    assert (Kind.objects.count(), OperatorAction.objects.count()) == (0, 0)


def test_while_postgres_is_not_fit_the_operator_is_told_to_try_again(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(_: object) -> None:
        raise TransientError("the database is full")

    DeadLetterFactory.create(event__id="e-1")
    monkeypatch.setattr("processing.operators.chunks.PATIENCE_S", 0.05)
    monkeypatch.setattr("processing.operators.actions.transaction", lambda: never(None))
    response = answer(operator, run(operator, "inboxevent", "discard", "e-1"), why="a test")
    assert said(response) == ["Postgres is not fit, see /health/ready: not all was done. Look, and try again."]


def test_an_action_needs_a_post_and_a_known_name(operator: Client) -> None:
    DeadLetterFactory.create(event__id="e-1")
    assert operator.get(reverse("admin:processing_inboxevent_act", args=["e-1", "retry_now"])).status_code == 405
    assert operator.get(reverse("admin:processing_inboxevent_act_many", args=["discard"])).status_code == 405
    many = reverse("admin:processing_inboxevent_act_many", args=["discard"])
    assert operator.post(many, {"ids": "no JSON", "why": "a test"}).status_code == 400
    assert operator.post(many, {"ids": '["a\\u0000"]', "why": "a test"}).status_code == 400
    assert operator.post(reverse("admin:processing_inboxevent_act", args=["e-1", "erase"])).status_code == 404


def test_api_keys_are_revoked_once(operator: Client) -> None:
    key = ApiKeyFactory.create(name="partner")
    assert said(run(operator, "apikey", "revoke", str(key.pk), app="ingest"))[0].startswith("Revoked: 1.")
    key.refresh_from_db()
    revoked_at = key.revoked_at
    assert revoked_at is not None
    assert said(run(operator, "apikey", "revoke", str(key.pk), app="ingest"))[0].startswith("Revoked: 0.")
    key.refresh_from_db()
    assert key.revoked_at == revoked_at
    assert key.sha256 not in page(operator, change("apikey", key.pk, "ingest"))


def test_many_outcomes_are_told_by_reason_with_the_first_ids() -> None:
    done = {f"e-{n}": "to be tried again" for n in range(5)}
    refused = {f"x-{n}": f"reason {n}" for n in range(5)}
    assert [text for _, text in sentences(RETRY_NOW, Result(done, refused))] == [
        "Retried now: 5 events. e-0, e-1, e-2 and 2 more: to be tried again",
        "Left as they were: 5 events. x-0: reason 0; x-1: reason 1; x-2: reason 2; and 2 other outcomes",
    ]
    assert list(sentences(RETRY_NOW, Result())) == []


def test_an_events_page_pauses_its_type_or_family_and_the_kinds_page_resumes_it(operator: Client) -> None:
    InboxEventFactory.create(id="e-1", family="game", type="move")
    buttons = operator.get(change("inboxevent", "e-1")).context["buttons_of_kind"]
    assert [button["label"] for button in buttons] == ["Pause its type", "Pause its family"]
    for button in buttons:
        asked = operator.get(button["url"])
        assert "new events are stored and wait" in asked.content.decode()
        answer(operator, asked, why="a bad deploy")
    assert list(Kind.objects.order_by("name").values_list("name", "state", "actor")) == [
        ("game", "paused", "ada"),
        ("game/move", "paused", "ada"),
    ]
    shown = operator.get(change("kind", "game/move"))
    assert "type &#x27;move&#x27; of family game" in shown.content.decode()
    (resume,) = shown.context["buttons"]
    asked = operator.get(resume["url"])
    assert "0 events waiting" in asked.content.decode()
    answer(operator, asked)
    assert Kind.objects.get(pk="game/move").state == "draining"
    assert operator.get(changelist("kind", state="draining")).context["cl"].result_count == 1
