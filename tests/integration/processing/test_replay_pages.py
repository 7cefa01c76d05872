"""The admin's pages of replay runs: what one reads before, how far it is, who may."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from processing.domain.replays import Choice, read_choice
from processing.models import DeadLetter, FailureGroup, OperatorAction, ReplayRun
from processing.operators import replay_runs
from processing.operators.tend_replays import tend_replays
from tests.support.dead import consume, fail_for_good, row, try_again
from tests.support.factories import DeadLetterFactory, InboxEventFactory, envelope
from tests.support.operator_pages import change, changelist, client_of, listed, page, said
from tests.support.replays import finish, replay

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("two_tries", "hints_off", "published"),
]


def asked(client: Client, url: str) -> tuple[Choice, str]:
    """What the page before a run takes, and its whole text."""
    response = client.get(url)
    return read_choice(response.context["question"].hidden["choice"]), response.content.decode()


def start(client: Client, choice: str, why: str = "") -> Any:
    return client.post(reverse("admin:processing_replayrun_start"), {"choice": choice, "why": why}, follow=True)


def test_a_filtered_list_a_group_and_an_event_each_lead_to_a_run_of_just_that(operator: Client) -> None:
    one = DeadLetterFactory.create(event__id="e-1", event__type="red")
    DeadLetterFactory.create(event__id="e-2", event__type="blue")
    shown = operator.get(changelist("deadletter", type="red", group=str(one.group_id), reason="failed"))
    choice, text = asked(operator, shown.context["replay_url"])
    assert choice == Choice(group=one.group_id, reason="failed", type="red")
    assert "Replay 1" in text
    (button,) = operator.get(change("failuregroup", one.group_id)).context["buttons"]
    assert asked(operator, button["url"])[0] == Choice(group=one.group_id)
    (button, *_) = operator.get(change("inboxevent", "e-2")).context["buttons"]
    assert asked(operator, button["url"])[0] == Choice(ids=["e-2"])
    for parameters in ({"q": "e-1"}, {"state": "discarded"}, {"group": "x"}):
        assert operator.get(changelist("deadletter", **parameters)).context["replay_url"] is None


def test_a_selection_is_a_run_of_these_and_all_that_match_is_a_run_of_the_filter(operator: Client) -> None:
    for number in range(3):
        DeadLetterFactory.create(event__id=f"e-{number}", event__type="red")
    url = changelist("deadletter", type="red")
    data = {"action": "replay", "_selected_action": ["e-0", "e-2"], "select_across": "0"}
    hidden = operator.post(url, data).context["question"].hidden
    assert sorted(read_choice(hidden["choice"]).ids or ()) == ["e-0", "e-2"]
    hidden = operator.post(url, {**data, "select_across": "1"}).context["question"].hidden
    assert read_choice(hidden["choice"]) == Choice(type="red")


def test_a_run_is_started_with_a_reason_and_its_page_tells_how_far_it_is(operator: Client) -> None:
    fail_for_good(envelope("drill", fail=3), envelope("broken", fail=True))
    response = start(operator, "{}", "mended")
    run = ReplayRun.objects.get()
    assert response.redirect_chain == [(change("replayrun", run.pk), 302)]
    assert (run.actor, run.reason) == ("ada", "mended")
    assert "Cancel" in response.content.decode()
    tend_replays()
    for _ in range(2):
        try_again("drill", "broken")
    tend_replays()
    html = page(operator, change("replayrun", run.pk))
    assert "succeeded <b>1</b>" in html
    assert "failed again <b>1</b>" in html
    assert change("deadletter", "broken") in html
    assert "Cancel" not in html
    assert listed(operator, changelist("replayrun")) == [str(run.pk)]
    assert f'replayed by ada in <a href="{change("replayrun", run.pk)}">replay {run.pk}</a>: mended' in page(
        operator, change("inboxevent", "drill")
    )
    assert change("replayrun", run.pk) in page(operator, changelist("operatoraction"))


def test_a_run_is_cancelled_and_goes_on_and_who_comes_late_is_told(operator: Client) -> None:
    DeadLetterFactory.create(event__id="e-1")
    run = replay_runs.start(Choice(), actor="bob")
    url = reverse("admin:processing_replayrun_act", args=[run, "cancel"])
    assert operator.get(url).status_code == 405
    assert said(operator.post(url, follow=True)) == [
        f"Cancelled replay {run}: what it had replayed goes on, the rest are dead letters as before."
    ]
    assert said(operator.post(url, follow=True)) == [f"Left as it was: replay {run} is done, or was cancelled before."]
    assert DeadLetter.objects.count() == 1
    operator.post(reverse("admin:processing_replayrun_act", args=[run, "go_on"]))
    finish(run)
    assert not DeadLetter.objects.exists()
    assert operator.post(reverse("admin:processing_replayrun_act", args=[run, "erase"])).status_code == 404
    assert operator.get(change("replayrun", "x")).status_code == 302


def test_how_many_it_takes_is_not_told_as_final_before_all_are_chosen(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_runs, "CHUNK", 2)
    for _ in range(3):
        DeadLetterFactory.create()
    run = replay_runs.start(Choice(), actor="bob")
    assert "0 so far, not all are chosen yet" in page(operator, change("replayrun", run))
    replay_runs.take_step(run)
    assert "2 so far, not all are chosen yet" in page(operator, changelist("replayrun"))
    finish(run)
    assert "so far" not in page(operator, change("replayrun", run))


def test_what_was_left_is_told_by_reason(operator: Client) -> None:
    InboxEventFactory.create(id="fine")
    replay(ids=["fine"], actor="ada")
    html = page(operator, change("replayrun", ReplayRun.objects.get().pk))
    assert "is no dead letter: it is processed" in html
    assert "fine" in html


@pytest.mark.parametrize("choice", ["", "[]", '{"ids": 1}', '{"erase": true}', '{"type": "a\\u0000"}'])
def test_a_choice_that_cannot_be_read_is_a_bad_request(operator: Client, choice: str) -> None:
    assert start(operator, choice).status_code == 400
    assert not ReplayRun.objects.exists()


def test_who_may_only_look_starts_cancels_and_edits_nothing() -> None:
    DeadLetterFactory.create(event__id="e-1")
    run = replay_runs.start(Choice(type="none"), actor="bob")
    viewer = client_of("vic", may=["view_inboxevent", "view_deadletter", "view_failuregroup", "view_replayrun"])
    assert "Cancel" not in page(viewer, change("replayrun", run))
    assert viewer.get(changelist("deadletter")).context["replay_url"] is None
    assert viewer.get(change("failuregroup", FailureGroup.objects.get().pk)).context["buttons"] == []
    assert start(viewer, "{}").status_code == 403
    assert viewer.post(reverse("admin:processing_replayrun_act", args=[run, "cancel"])).status_code == 403
    edit = reverse("admin:processing_deadletter_edit", args=["e-1"])
    assert viewer.get(edit).status_code == 403
    assert viewer.post(edit, {"text": "{}", "version": "1", "why": "x"}).status_code == 403
    assert client_of("nobody").get(change("replayrun", run)).status_code == 403
    assert OperatorAction.objects.count() == 1


def test_a_drill_from_failed_to_once_and_in_order(operator: Client) -> None:
    fail_for_good(envelope("drill", seq=1, fail=3))
    consume(envelope("next", seq=2))
    start(operator, '{"ids": ["drill"]}')
    tend_replays()
    try_again("drill")
    tend_replays()
    assert (row("drill").status, row("drill").attempts) == ("processed", 4)
    assert ReplayRun.objects.get().ended_at is not None
